// Readers and writers over files.
#include "olivine/io_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "runtime/thread_pool.h"

namespace olivine::io {
namespace {

int whence(std::ios_base::seekdir way) {
  return way == std::ios_base::beg ? SEEK_SET : way == std::ios_base::cur ? SEEK_CUR : SEEK_END;
}

}  // namespace

ThreadPool& thread_pool() {
  static auto* pool = new ThreadPool(static_cast<size_t>(thread_count()));  // never destroyed
  return *pool;
}

ParallelFileReader::ParallelFileReader(std::string file_path)
    : path_(std::move(file_path)), file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {}
ParallelFileReader::~ParallelFileReader() {
  if (file_ >= 0) ::close(file_);
}
std::string ParallelFileReader::label() const { return "file " + path_; }

void ParallelFileReader::seek(int64_t off, std::ios_base::seekdir way) {
  int64_t from = way == std::ios_base::cur ? static_cast<int64_t>(position_) : 0;
  if (way == std::ios_base::end) from = ::lseek(file_, 0, SEEK_END);
  int64_t to;
  if (from < 0 || __builtin_add_overflow(from, off, &to) || to < 0) {
    fail<std::runtime_error>("[ParallelFileReader] expected a position of ", label(), "; got ",
                             off);
  }
  position_ = static_cast<size_t>(to);
}
void ParallelFileReader::read(char* data, size_t n) {
  read(data, n, position_);
  position_ += n;
}
void ParallelFileReader::read(char* data, size_t n, size_t offset) {
  while (n > 0) {
    ssize_t got = ::pread(file_, data, n, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      fail<std::runtime_error>("[ParallelFileReader] expected ", n, " more bytes of ", label(),
                               "; got ", got < 0 ? std::strerror(errno) : "its end");
    }
    data += got, offset += static_cast<size_t>(got), n -= static_cast<size_t>(got);
  }
}

FileWriter::FileWriter() : file_(STDOUT_FILENO) {}
FileWriter::FileWriter(std::string file_path) : path_(std::move(file_path)) {}
FileWriter::FileWriter(FileWriter&& other)
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}
FileWriter::~FileWriter() {
  if (file_ > STDOUT_FILENO) ::close(file_);
}
std::string FileWriter::label() const {
  return path_.empty() ? "standard output" : "file " + path_;
}

void FileWriter::open() {
  if (file_ >= 0) return;
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) {
    fail<std::runtime_error>("[FileWriter] expected to write ", label(), "; got ",
                             std::strerror(errno));
  }
}
size_t FileWriter::tell() {
  return static_cast<size_t>(std::max<off_t>(::lseek(file_, 0, SEEK_CUR), 0));
}
void FileWriter::seek(int64_t off, std::ios_base::seekdir way) {
  if (::lseek(file_, off, whence(way)) < 0) {
    fail<std::runtime_error>("[FileWriter] expected a position of ", label(), "; got ", off);
  }
}
void FileWriter::write(const char* data, size_t n) {
  while (n > 0) {
    ssize_t put = ::write(file_, data, n);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      fail<std::runtime_error>("[FileWriter] expected to write ", n, " more bytes to ", label(),
                               "; got ", std::strerror(errno));
    }
    data += put, n -= static_cast<size_t>(put);
  }
}

}  // namespace olivine::io
