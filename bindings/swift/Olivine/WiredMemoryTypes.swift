// Policies, tickets and events of wired memory.
import Foundation

/// What the manager of wired memory did.
public struct WiredMemoryEvent: Sendable {
  public enum Kind: String, Sendable {
    case baselineCaptured
    case admissionWait
    case admissionGranted
    case admissionCancelled
    case ticketStarted
    case ticketStartIgnored
    case ticketEnded
    case ticketEndIgnored
    case limitComputed
    case limitApplied
    case limitApplyFailed
    case baselineRestored
  }

  public let sequence: UInt64
  public let timestamp: Date
  public let kind: Kind
  public let ticketID: UUID?
  public let size: Int?
  public let policy: String?
  public let baseline: Int?
  public let desiredLimit: Int?
  public let appliedLimit: Int?
  public let activeCount: Int
  public let waiterCount: Int

  public init(
    sequence: UInt64, timestamp: Date, kind: Kind, ticketID: UUID? = nil, size: Int? = nil,
    policy: String? = nil, baseline: Int? = nil, desiredLimit: Int? = nil, appliedLimit: Int? = nil,
    activeCount: Int, waiterCount: Int
  ) {
    self.sequence = sequence
    self.timestamp = timestamp
    self.kind = kind
    self.ticketID = ticketID
    self.size = size
    self.policy = policy
    self.baseline = baseline
    self.desiredLimit = desiredLimit
    self.appliedLimit = appliedLimit
    self.activeCount = activeCount
    self.waiterCount = waiterCount
  }
}

/// How the sizes of the active tickets give a limit.
public protocol WiredMemoryPolicy: Sendable, Identifiable where ID == AnyHashable {
  func limit(baseline: Int, activeSizes: [Int]) -> Int
  /// Whether a ticket may start beside the active ones; if not, it waits.
  func canAdmit(baseline: Int, activeSizes: [Int], newSize: Int) -> Bool
}

extension WiredMemoryPolicy {
  public func canAdmit(baseline: Int, activeSizes: [Int], newSize: Int) -> Bool { true }
}

extension WiredMemoryPolicy where Self: Hashable {
  public var id: AnyHashable { AnyHashable(self) }
}

/// The baseline and all active sizes.
public struct WiredSumPolicy: WiredMemoryPolicy, Hashable, Sendable {
  public let identifier: UUID
  public init(id: UUID = UUID()) { identifier = id }
  public func limit(baseline: Int, activeSizes: [Int]) -> Int {
    baseline + activeSizes.reduce(0, +)
  }
}

/// The largest of the baseline and the active sizes.
public struct WiredMaxPolicy: WiredMemoryPolicy, Hashable, Sendable {
  public let identifier: UUID
  public init(id: UUID = UUID()) { identifier = id }
  public func limit(baseline: Int, activeSizes: [Int]) -> Int {
    activeSizes.reduce(baseline, Swift.max)
  }
}

public struct WiredMemoryManagerConfiguration: Sendable, Hashable {
  /// A lower limit is applied if it is lower by this part of the present one …
  public var shrinkThresholdRatio: Double
  /// … and this many seconds have gone by since the last change.
  public var shrinkCooldown: TimeInterval
  /// Counts tickets and computes limits where memory can't be wired.
  public var policyOnlyWhenUnsupported: Bool
  /// The limit without tickets, instead of what the system says.
  public var baselineOverride: Int?
  /// Takes the working set that the device recommends as the baseline where memory can't be wired.
  public var useRecommendedWorkingSetWhenUnsupported: Bool

  public init(
    shrinkThresholdRatio: Double = 0.25, shrinkCooldown: TimeInterval = 1.0,
    policyOnlyWhenUnsupported: Bool = true, baselineOverride: Int? = nil,
    useRecommendedWorkingSetWhenUnsupported: Bool = true
  ) {
    self.shrinkThresholdRatio = shrinkThresholdRatio
    self.shrinkCooldown = shrinkCooldown
    self.policyOnlyWhenUnsupported = policyOnlyWhenUnsupported
    self.baselineOverride = baselineOverride
    self.useRecommendedWorkingSetWhenUnsupported = useRecommendedWorkingSetWhenUnsupported
  }
}

public enum WiredMemoryTicketKind: Sendable {
  /// Raises the limit while it is active.
  case active
  /// Counts for admission alone.
  case reservation
}

/// A wish for wired memory, from its start to its end.
public struct WiredMemoryTicket: Sendable, Identifiable {
  public let id: UUID
  public let size: Int
  public let manager: WiredMemoryManager
  public let policy: any WiredMemoryPolicy
  public let kind: WiredMemoryTicketKind

  public init(
    id: UUID = UUID(), size: Int, policy: any WiredMemoryPolicy,
    manager: WiredMemoryManager = .shared, kind: WiredMemoryTicketKind = .active
  ) {
    self.id = id
    self.size = size
    self.manager = manager
    self.policy = policy
    self.kind = kind
  }

  /// Waits until the policy admits it; returns the limit.
  public func start() async -> Int {
    await manager.start(id: id, size: size, policy: policy, kind: kind)
  }
  /// Returns the limit.
  public func end() async -> Int { await manager.end(id: id, policy: policy) }
}

extension WiredMemoryTicket {
  /// Runs `body` between the start and the end of a ticket.
  nonisolated(nonsending) public static func withWiredLimit<R>(
    _ ticket: WiredMemoryTicket, _ body: () async throws -> R
  ) async rethrows -> R {
    _ = await ticket.start()
    do {
      let result = try await body()
      _ = await ticket.end()
      return result
    } catch {
      _ = await ticket.end()
      throw error
    }
  }

  /// Runs `body` between the start and the end of the ticket.
  nonisolated(nonsending) public func withWiredLimit<R>(
    _ body: () async throws -> R
  ) async rethrows -> R {
    try await Self.withWiredLimit(self, body)
  }
}

extension WiredMemoryPolicy {
  public func ticket(
    size: Int, manager: WiredMemoryManager = .shared, kind: WiredMemoryTicketKind = .active
  ) -> WiredMemoryTicket {
    WiredMemoryTicket(size: size, policy: self, manager: manager, kind: kind)
  }
}
