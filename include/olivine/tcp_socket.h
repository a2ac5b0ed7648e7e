// TCP connections for transports between processes.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <functional>
#include <string>

#include "olivine/export.h"

namespace olivine::distributed::detail {

// A socket's address, of IPv4 or IPv6.
struct address_t {
  sockaddr_storage addr{};
  socklen_t len = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&addr); }
};
// Of a host, by number or by name, and a port. Throws std::runtime_error if there is none.
OLIVINE_API address_t parse_address(const std::string& ip, const std::string& port);
// The same in one: "10.0.0.1:5000", "[::1]:5000".
OLIVINE_API address_t parse_address(const std::string& ip_port);

// A connection, or what waits for one; closed when it dies. `tag` begins the texts of errors, which
// are std::runtime_error.
class OLIVINE_API TCPSocket {
 public:
  explicit TCPSocket(const char* tag);
  TCPSocket(const TCPSocket&) = delete;
  TCPSocket& operator=(const TCPSocket&) = delete;
  TCPSocket(TCPSocket&& s) noexcept;
  TCPSocket& operator=(TCPSocket&& s) noexcept;
  ~TCPSocket();

  // Waits at an address for others to connect; `accept` gives the next connection.
  void listen(const char* tag, const address_t& addr);
  TCPSocket accept(const char* tag);
  // All bytes; throws where the other end closes before.
  void send(const char* tag, const void* data, size_t len);
  void recv(const char* tag, void* data, size_t len);
  // The descriptor, which the caller closes from now on.
  int detach();
  operator int() const { return fd_; }

  // Tries up to `num_retries` times. Between two tries it calls `cb` with the number of tries so
  // far and the time to wait, and waits: `wait` milliseconds at first, then twice as long each
  // time.
  static TCPSocket connect(const char* tag, const address_t& addr, int num_retries = 1,
                           int wait = 0, std::function<void(int, int)> cb = nullptr);

 private:
  struct Owned {
    int fd;
  };
  explicit TCPSocket(Owned o) : fd_(o.fd) {}

  int fd_ = -1;
};

}  // namespace olivine::distributed::detail
