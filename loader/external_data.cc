#include "loader/external_data.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace quadlane {
namespace {

namespace fs = std::filesystem;

struct Descriptor {
  int fd;
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor&& from) noexcept : fd(std::exchange(from.fd, -1)) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Status check_location(const std::string& directory, const std::string& location) {
  if (directory.empty()) return invalid_model("external data '", location, "' needs a model that lies in a directory");
  const fs::path relative(location);
  if (location.empty() || location.find('\0') != location.npos || relative.is_absolute())
    return invalid_model("external data '", location, "' is not a relative path");
  for (const fs::path& part : relative)
    if (part == "..") return invalid_model("external data '", location, "' leads out of the model's directory");
  return {};
}

// Opens `location` below `root`. The kernel resolves the path, so that nobody can exchange a part of it in between:
// links that stay inside are followed, others end with EXDEV. Where the kernel cannot, no link is followed.
int open_beneath(int root, const std::string& location) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a FIFO must not hang
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const auto opened = static_cast<int>(::syscall(SYS_openat2, root, location.c_str(), &how, sizeof how));
  if (opened >= 0 || (errno != ENOSYS && errno != EPERM)) return opened;
  int at = ::fcntl(root, F_DUPFD_CLOEXEC, 0);
  const fs::path relative(location);
  for (auto part = relative.begin(); part != relative.end() && at >= 0; ++part) {
    const bool last = std::next(part) == relative.end();
    const int next = ::openat(at, part->c_str(), (last ? kFlags : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW);
    const int reason = errno;
    ::close(at);
    errno = reason == ELOOP ? EXDEV : reason;
    at = next;
  }
  return at;
}

struct OpenFile {
  Descriptor file;
  uint64_t size;
};

// Regular files below `directory` only.
Result<OpenFile> open_external(const std::string& directory, const std::string& location) {
  QL_CHECK_OK(check_location(directory, location));
  const Descriptor root(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.fd < 0) return make_error(Code::io, "cannot open directory '", directory, "': ", std::strerror(errno));
  Descriptor file(open_beneath(root.fd, location));
  if (file.fd < 0 && errno == EXDEV)
    return invalid_model("external data '", location, "' leads out of the model's directory");
  struct stat about {};
  if (file.fd < 0 || ::fstat(file.fd, &about) != 0)
    return make_error(Code::io, "cannot open external data '", location, "': ", std::strerror(errno));
  if (!S_ISREG(about.st_mode)) return invalid_model("external data '", location, "' is not a regular file");
  if (about.st_nlink > 1)  // a second name may be one outside of the directory
    return invalid_model("external data '", location, "' has ", static_cast<uint64_t>(about.st_nlink),
                         " names (hard links), expected one");
  return OpenFile{std::move(file), static_cast<uint64_t>(about.st_size)};
}

Result<std::string> read_range(const OpenFile& opened, const ExternalRange& range) {
  std::string bytes(range.bytes, '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::pread(opened.file.fd, bytes.data() + done, std::min(bytes.size() - done, size_t{1} << 30),
                              static_cast<off_t>(range.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return make_error(Code::io, "cannot read external data '", range.location, "'");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

}  // namespace

Result<std::string> read_external(const std::string& directory, const ExternalRange& range) {
  QL_TRY(OpenFile opened, open_external(directory, range.location));
  if (range.offset > opened.size || range.bytes > opened.size - range.offset)
    return invalid_model("external data '", range.location, "' has ", opened.size, " bytes, ", range.bytes,
                         " at offset ", range.offset, " are asked for");
  return read_range(opened, range);
}

Result<std::string> read_external_file(const std::string& directory, const std::string& location, uint64_t max_bytes) {
  QL_TRY(OpenFile opened, open_external(directory, location));
  if (opened.size > max_bytes)
    return unsupported("external data '", location, "' has ", opened.size, " bytes, the limit is ", max_bytes);
  return read_range(opened, {location, 0, opened.size});
}

}  // namespace quadlane
