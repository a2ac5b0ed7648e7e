// TCP connections over the system's sockets.
#include "olivine/tcp_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"

namespace olivine::distributed::detail {
namespace {

constexpr int kLongestWait = 60'000;  // milliseconds

[[noreturn]] void fail_call(const char* tag, const char* what, int error) {
  fail<std::runtime_error>(tag, " expected to ", what, "; got ",
                           std::system_category().message(error));
}

int open_socket(const char* tag, int family) {
  int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail_call(tag, "open a socket", errno);
  return fd;
}

int family_of(int fd) {
  sockaddr_storage addr{};
  socklen_t len = sizeof(addr);
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&addr), &len) == 0 ? addr.ss_family : 0;
}

void set_option(const char* tag, int fd, int level, int option) {
  int on = 1;
  if (::setsockopt(fd, level, option, &on, sizeof(on)) < 0) {
    fail_call(tag, "set a socket's option", errno);
  }
}

}  // namespace

address_t parse_address(const std::string& ip, const std::string& port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(ip.c_str(), port.c_str(), &hints, &found);
  if (error != 0 || !found) {
    fail<std::runtime_error>("[parse_address] expected a host and a port; got '", ip, "' and '",
                             port, "': ", ::gai_strerror(error));
  }
  address_t address;
  address.len = std::min<socklen_t>(found->ai_addrlen, sizeof(address.addr));
  std::copy_n(reinterpret_cast<const char*>(found->ai_addr), address.len,
              reinterpret_cast<char*>(&address.addr));
  ::freeaddrinfo(found);
  return address;
}

address_t parse_address(const std::string& ip_port) {
  size_t colon = ip_port.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    fail<std::runtime_error>("[parse_address] expected HOST:PORT; got '", ip_port, "'");
  }
  std::string host = ip_port.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return parse_address(host, ip_port.substr(colon + 1));
}

TCPSocket::TCPSocket(const char* tag) : fd_(open_socket(tag, AF_INET)) {}
TCPSocket::TCPSocket(TCPSocket&& s) noexcept : fd_(std::exchange(s.fd_, -1)) {}
TCPSocket& TCPSocket::operator=(TCPSocket&& s) noexcept {
  if (this != &s) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(s.fd_, -1);
  }
  return *this;
}
TCPSocket::~TCPSocket() {
  if (fd_ >= 0) ::close(fd_);
}

int TCPSocket::detach() { return std::exchange(fd_, -1); }

void TCPSocket::listen(const char* tag, const address_t& addr) {
  if (fd_ < 0 || family_of(fd_) != addr.addr.ss_family) {
    *this = TCPSocket(Owned{open_socket(tag, addr.addr.ss_family)});
  }
  set_option(tag, fd_, SOL_SOCKET, SO_REUSEADDR);
  if (::bind(fd_, addr.get(), addr.len) < 0) fail_call(tag, "bind a socket", errno);
  if (::listen(fd_, SOMAXCONN) < 0) fail_call(tag, "listen", errno);
}

TCPSocket TCPSocket::accept(const char* tag) {
  int fd;
  do {
    fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) fail_call(tag, "accept a connection", errno);
  TCPSocket made(Owned{fd});
  set_option(tag, fd, IPPROTO_TCP, TCP_NODELAY);
  return made;
}

void TCPSocket::send(const char* tag, const void* data, size_t len) {
  const char* at = static_cast<const char*>(data);
  while (len > 0) {
    ssize_t n = ::send(fd_, at, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_call(tag, "send", errno);
    at += n;
    len -= static_cast<size_t>(n);
  }
}

void TCPSocket::recv(const char* tag, void* data, size_t len) {
  char* at = static_cast<char*>(data);
  while (len > 0) {
    ssize_t n = ::recv(fd_, at, len, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_call(tag, "receive", errno);
    if (n == 0) {
      fail<std::runtime_error>(tag, " expected ", len, " more bytes; got the connection's end");
    }
    at += n;
    len -= static_cast<size_t>(n);
  }
}

TCPSocket TCPSocket::connect(const char* tag, const address_t& addr, int num_retries, int wait,
                             std::function<void(int, int)> cb) {
  for (int tries = 1;; ++tries) {
    // A socket whose connection failed is of no more use.
    TCPSocket made(Owned{open_socket(tag, addr.addr.ss_family)});
    if (::connect(made.fd_, addr.get(), addr.len) == 0) {
      set_option(tag, made.fd_, IPPROTO_TCP, TCP_NODELAY);
      return made;
    }
    if (tries >= num_retries) fail_call(tag, "connect", errno);
    if (cb) cb(tries, wait);
    if (wait > 0) std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    wait = std::min(2 * std::min(wait, kLongestWait), kLongestWait);
  }
}

}  // namespace olivine::distributed::detail
