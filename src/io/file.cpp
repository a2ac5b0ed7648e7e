// Files: opening them as sources, and replacing them in one step.
//
// A save writes a file that has no name yet (O_TMPFILE, where the file system can) or a hidden one
// beside the target, syncs it, and renames it over the target. Hidden files of savers that died
// are removed by the next save of the same target.
#include "io/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "core/error.h"
#include "olivine/ops/shape.h"

namespace olivine {
namespace {

[[noreturn]] void io_error(const char* op, const std::string& path) {
  fail<std::runtime_error>("[", op, "] ", path, ": ", std::strerror(errno));
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Files that lasting sources hold open. Beyond a number of them files are read at once, so that
// programs which load thousands of files do not run out of descriptors.
std::atomic<int> lasting_files{0};
constexpr int kMaxLasting = 256;
// Smaller files are not worth a descriptor either.
constexpr off_t kLeastLasting = 1 << 20;

// A file as a source. One that lasts is not mapped but read, since a mapped file that somebody
// truncates is a fatal signal; whether it changed since it was opened is checked after each read.
class FileReader {
 public:
  explicit FileReader(const std::string& path)
      : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_.fd() < 0 || ::fstat(file_.fd(), &opened_) != 0) io_error("load", path);
    if (!S_ISREG(opened_.st_mode)) fail<std::runtime_error>("[load] ", path, ": expected a file");
    lasting_ = opened_.st_size > kLeastLasting && lasting_files++ < kMaxLasting;
    if (opened_.st_size > kLeastLasting && !lasting_) --lasting_files;
  }
  FileReader(const FileReader&) = delete;
  ~FileReader() {
    if (lasting_) --lasting_files;
  }
  uint64_t size() const { return static_cast<uint64_t>(opened_.st_size); }
  bool lasting() const { return lasting_; }

  void read(uint64_t offset, void* out, size_t size) const {
    char* p = static_cast<char*>(out);
    while (size > 0) {
      ssize_t n = ::pread(file_.fd(), p, std::min<size_t>(size, size_t{1} << 30),
                          static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) io_error("load", path_);
      if (n == 0) fail<std::runtime_error>("[load] ", path_, ": the file became shorter");
      p += n;
      offset += static_cast<uint64_t>(n);
      size -= static_cast<size_t>(n);
    }
    struct stat now;
    if (lasting_ && ::fstat(file_.fd(), &now) == 0 &&
        (now.st_size != opened_.st_size || now.st_mtim.tv_sec != opened_.st_mtim.tv_sec ||
         now.st_mtim.tv_nsec != opened_.st_mtim.tv_nsec)) {
      fail<std::runtime_error>("[load] ", path_, ": the file changed before its arrays were read");
    }
  }

 private:
  std::string path_;
  File file_;
  struct stat opened_ {};
  bool lasting_ = false;
};

void write_all(int fd, const void* data, size_t size, const std::string& path) {
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t n = ::write(fd, p, std::min<size_t>(size, size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) io_error("save", path);
    p += n;
    size -= static_cast<size_t>(n);
  }
}

void sync(int fd, const std::string& path) {
  if (::fsync(fd) != 0 && errno != EINVAL && errno != EROFS) io_error("save", path);
}

// A symbolic link keeps pointing where it does: its target is what is replaced.
std::string resolve(const std::string& path) {
  std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  return real ? real.get() : path;
}

struct Place {
  std::string folder, file;
  std::string prefix() const { return "." + file + ".olivine-"; }
};
Place split(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// Removes what earlier savers of this file left when they were killed.
void remove_stale(const Place& place) {
  DIR* dir = ::opendir(place.folder.c_str());
  if (!dir) return;
  std::string prefix = place.prefix();
  while (dirent* e = ::readdir(dir)) {
    if (std::strncmp(e->d_name, prefix.c_str(), prefix.size()) != 0) continue;
    long pid = std::strtol(e->d_name + prefix.size(), nullptr, 10);
    bool alive = pid > 0 && (::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH);
    if (!alive) ::unlinkat(::dirfd(dir), e->d_name, 0);
  }
  ::closedir(dir);
}

std::string hidden_name(const Place& place) {
  static std::atomic<uint64_t> count{0};
  return place.folder + "/" + place.prefix() + std::to_string(::getpid()) + "-" +
         std::to_string(count++);
}

// Devices and pipes are written to; there is nothing to replace.
void write_in_place(const std::string& target, const std::string& path,
                    const std::function<void(const ByteSink&)>& write) {
  File file(::open(target.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.fd() < 0) io_error("save", path);
  write([&](const void* data, size_t size) { write_all(file.fd(), data, size, path); });
}

}  // namespace

ByteSource open_source(const std::string& path) {
  auto file = std::make_shared<FileReader>(path);
  auto read = [file](uint64_t offset, void* out, size_t size) { file->read(offset, out, size); };
  return {file->size(), path, read, file->lasting()};
}

array contiguous_for_saving(const array& a) {
  array c = contiguous(a);
  c.eval();
  return c;
}

void save_atomically(const std::string& path, const std::function<void(const ByteSink&)>& write) {
  std::string target = resolve(path);
  Place place = split(target);
  if (place.file.empty()) fail("[save] expected a file name; got '", path, "'");
  struct stat old;
  if (::stat(target.c_str(), &old) == 0 && !S_ISREG(old.st_mode)) {
    return write_in_place(target, path, write);
  }
  remove_stale(place);
  std::string hidden = hidden_name(place);
  bool named = false;
  int fd = ::open(place.folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) {
    fd = ::open(hidden.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0) io_error("save", path);
    named = true;
  }
  File file(fd);
  struct Cleanup {
    const std::string& name;
    const bool& named;
    bool done = false;
    ~Cleanup() {
      if (named && !done) ::unlink(name.c_str());
    }
  } cleanup{hidden, named};
  write([&](const void* data, size_t size) { write_all(fd, data, size, path); });
  struct stat st;
  if (::stat(target.c_str(), &st) == 0) (void)!::fchmod(fd, st.st_mode & 07777);
  sync(fd, path);
  if (!named) {
    std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, hidden.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      io_error("save", path);
    }
    named = true;
  }
  if (::rename(hidden.c_str(), target.c_str()) != 0) io_error("save", path);
  cleanup.done = true;
  File folder(::open(place.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.fd() >= 0) sync(folder.fd(), path);
}

}  // namespace olivine
