#include "engine/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace quadlane {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Error io_error(const std::string& path, const char* what) {
  return make_error(Code::io, "cannot ", what, " '", path, "': ", std::strerror(errno));
}

// Writes everything or returns false with errno set.
bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

Result<std::vector<std::byte>> read_whole_file(const std::string& path, size_t max_bytes) {
  // O_NONBLOCK: opening a FIFO without a writer must not hang.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) return io_error(path, "open");
  if (!S_ISREG(info.st_mode)) return make_error(Code::io, "'", path, "' is not a regular file");
  size_t size = static_cast<size_t>(info.st_size);
  if (size > max_bytes) return make_error(Code::io, "'", path, "' has ", size, " bytes, the limit is ", max_bytes);
  std::vector<std::byte> bytes(size);
  for (size_t done = 0; done < size;) {
    ssize_t n = ::read(file.fd, bytes.data() + done, std::min(size - done, size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(path, "read");
    if (n == 0) return make_error(Code::io, "'", path, "' ended at ", done, " of ", size, " bytes");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

Status write_whole_file(const std::string& path, std::span<const std::byte> bytes) {
  std::string beside = path + ".XXXXXX";
  Descriptor file{::mkostemp(beside.data(), O_CLOEXEC)};
  if (file.fd < 0) return io_error(path, "write");
  bool written = write_all(file.fd, bytes) && ::fchmod(file.fd, 0644) == 0 && ::fsync(file.fd) == 0;
  if (written && ::rename(beside.c_str(), path.c_str()) == 0) return {};
  Error error = io_error(path, "write");
  ::unlink(beside.c_str());
  return error;
}

}  // namespace quadlane
