// The manager of wired memory: admits tickets, and sets the limit that their policies want. Where
// memory can't be wired, as on machines without Metal, it counts and computes, and sets nothing.
import COlivine
import Foundation

public actor WiredMemoryManager {
  public static let shared = WiredMemoryManager()

  private struct Ticket {
    let size: Int
    let policy: any WiredMemoryPolicy
    let kind: WiredMemoryTicketKind
  }
  private struct Waiter {
    let id: UUID
    let size: Int
    let policy: any WiredMemoryPolicy
    let resume: CheckedContinuation<Bool, Never>
  }

  private var configuration: WiredMemoryManagerConfiguration
  private var tickets: [UUID: Ticket] = [:]
  private var waiters: [Waiter] = []
  private var baseline: Int?
  private var applied = 0
  private var lastChange = Date.distantPast
  private var sequence: UInt64 = 0
  private var listeners: [UUID: AsyncStream<WiredMemoryEvent>.Continuation] = [:]

  private init(_ configuration: WiredMemoryManagerConfiguration = .init()) {
    self.configuration = configuration
  }

  public static func makeForTesting(
    configuration: WiredMemoryManagerConfiguration = .init()
  ) -> WiredMemoryManager {
    WiredMemoryManager(configuration)
  }

  public func updateConfiguration(_ update: (inout WiredMemoryManagerConfiguration) -> Void) {
    update(&configuration)
  }

  public static func configureShared(_ configuration: WiredMemoryManagerConfiguration) async {
    await shared.updateConfiguration { $0 = configuration }
  }

  /// What the manager does from now on.
  public func events() -> AsyncStream<WiredMemoryEvent> {
    let id = UUID()
    let (stream, continuation) = AsyncStream<WiredMemoryEvent>.makeStream()
    listeners[id] = continuation
    continuation.onTermination = { [weak self] _ in
      Task { await self?.forget(id) }
    }
    return stream
  }
  private func forget(_ id: UUID) { listeners[id] = nil }

  /// Waits until the policy admits a ticket; returns the limit.
  public func start(
    id: UUID, size: Int, policy: any WiredMemoryPolicy, kind: WiredMemoryTicketKind
  ) async -> Int {
    guard isActive else { return 0 }
    if tickets[id] != nil {
      emit(.ticketStartIgnored, id, size, policy)
      return applied
    }
    let base = captureBaseline()
    if !policy.canAdmit(baseline: base, activeSizes: sizes(of: policy), newSize: size) {
      emit(.admissionWait, id, size, policy)
      let granted = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          if Task.isCancelled {
            continuation.resume(returning: false)
          } else {
            waiters.append(Waiter(id: id, size: size, policy: policy, resume: continuation))
          }
        }
      } onCancel: {
        Task { await self.cancel(id) }
      }
      if !granted {
        emit(.admissionCancelled, id, size, policy)
        return applied
      }
      emit(.admissionGranted, id, size, policy)
    }
    tickets[id] = Ticket(size: size, policy: policy, kind: kind)
    emit(.ticketStarted, id, size, policy)
    applyLimit()
    return applied
  }

  /// Ends a ticket, and lets others start that wait; returns the limit.
  public func end(id: UUID, policy: any WiredMemoryPolicy) -> Int {
    guard let ticket = tickets.removeValue(forKey: id) else {
      emit(.ticketEndIgnored, id, nil, policy)
      return applied
    }
    emit(.ticketEnded, id, ticket.size, policy)
    admitWaiters()
    applyLimit()
    return applied
  }

  private func cancel(_ id: UUID) {
    guard let i = waiters.firstIndex(where: { $0.id == id }) else { return }
    waiters.remove(at: i).resume.resume(returning: false)
  }

  private func admitWaiters() {
    let base = captureBaseline()
    var admitted: [Int] = []
    waiters.removeAll { waiter in
      let active = sizes(of: waiter.policy) + admitted
      guard waiter.policy.canAdmit(baseline: base, activeSizes: active, newSize: waiter.size) else {
        return false
      }
      admitted.append(waiter.size)
      waiter.resume.resume(returning: true)
      return true
    }
  }

  private func sizes(of policy: any WiredMemoryPolicy, activeOnly: Bool = false) -> [Int] {
    tickets.values
      .filter { ($0.policy.id as AnyHashable) == policy.id && (!activeOnly || $0.kind == .active) }
      .map(\.size)
  }

  // Without Metal there is nothing to wire.
  private nonisolated var canWire: Bool {
    var available = false
    return olivine_metal_is_available(&available) == 0 && available
  }
  private var isActive: Bool { canWire || configuration.policyOnlyWhenUnsupported }

  private func captureBaseline() -> Int {
    if let baseline { return baseline }
    var found = configuration.baselineOverride ?? 0
    if configuration.baselineOverride == nil && !canWire
      && configuration.useRecommendedWorkingSetWhenUnsupported
    {
      found = GPU.maxRecommendedWorkingSetBytes() ?? Int(ProcessInfo.processInfo.physicalMemory)
    }
    baseline = found
    applied = found
    emit(.baselineCaptured, nil, nil, nil)
    return found
  }

  /// Each policy of the active tickets wants a limit; the highest counts.
  private func applyLimit() {
    let base = captureBaseline()
    guard !tickets.isEmpty else {
      set(base)
      emit(.baselineRestored, nil, nil, nil)
      baseline = nil
      return
    }
    let wanted = tickets.values.map { ticket in
      ticket.policy.limit(
        baseline: base, activeSizes: sizes(of: ticket.policy, activeOnly: true))
    }
    let desired = wanted.reduce(base, Swift.max)
    emit(.limitComputed, nil, nil, nil, desired)
    let shrink = Double(applied - desired)
    let tooLittle = shrink < Double(applied) * configuration.shrinkThresholdRatio
    let tooSoon = Date().timeIntervalSince(lastChange) < configuration.shrinkCooldown
    if desired < applied && (tooLittle || tooSoon) { return }
    set(desired)
  }

  private func set(_ limit: Int) {
    guard limit != applied else { return }
    if canWire {
      var old = 0
      guard olivine_set_wired_limit(&old, limit) == 0 else {
        emit(.limitApplyFailed, nil, nil, nil, limit)
        return
      }
    }
    applied = limit
    lastChange = Date()
    emit(.limitApplied, nil, nil, nil, limit)
  }

  private func emit(
    _ kind: WiredMemoryEvent.Kind, _ id: UUID?, _ size: Int?, _ policy: (any WiredMemoryPolicy)?,
    _ desired: Int? = nil
  ) {
    sequence += 1
    let event = WiredMemoryEvent(
      sequence: sequence, timestamp: Date(), kind: kind, ticketID: id, size: size,
      policy: policy.map { String(describing: type(of: $0)) }, baseline: baseline,
      desiredLimit: desired, appliedLimit: applied, activeCount: tickets.count,
      waiterCount: waiters.count)
    for listener in listeners.values { listener.yield(event) }
  }
}
