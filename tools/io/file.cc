#include "tools/io/file.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace quadlane::tools {
namespace fs = std::filesystem;
namespace {

Error io_error(const char* what, const std::string& path, int code) {
  return make_error(Code::io, what, " '", path, "': ", std::strerror(code));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0 ? ENOSPC : errno;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

// A new file beside the target, under a name that nobody can foresee and in nobody's way: never an existing one, nor
// what a link names. Others may read it as far as the user's umask lets them.
struct Partial {
  std::string path;
  Descriptor file;

  explicit Partial(const std::string& target) : path(name_for(target)), file{::open(path.c_str(), kFlags, 0644)} {}

 private:
  static constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  static std::string name_for(const std::string& target) {
    uint64_t number = 0;
    if (::getentropy(&number, sizeof number) != 0) number = static_cast<uint64_t>(::getpid());  // still O_EXCL
    return cat(target, ".partial-", number);
  }
};

// What an output path names. A device, FIFO or socket takes bytes as they come, and a file put in its place would be
// another thing. Of a link the file behind it is meant, so that the link stays one; what names nothing is itself.
struct Target {
  std::string path;
  bool stream = false;
};
Result<Target> target_of(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) {
    if (errno != ENOENT) return io_error("cannot write", path, errno);
    return Target{path};
  }
  if (!S_ISREG(about.st_mode)) return Target{path, true};
  std::error_code code;
  const fs::path file = fs::canonical(path, code);
  if (code) return io_error("cannot write", path, code.value());
  return Target{file.string()};
}

Status write_stream(const std::string& path, std::string_view bytes) {
  const Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  const int code = file.fd < 0 ? errno : write_all(file.fd, bytes);
  if (code) return io_error("cannot write", path, code);
  return {};
}

}  // namespace

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_regular_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() &&
         ::strncasecmp(text.data() + text.size() - suffix.size(), suffix.data(), suffix.size()) == 0;
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};  // a FIFO must not hang
  struct stat about {};
  if (file.fd < 0 || ::fstat(file.fd, &about) != 0) return io_error("cannot open", path, errno);
  if (S_ISDIR(about.st_mode)) return make_error(Code::io, "'", path, "' is a folder, expected a file");
  if (!S_ISREG(about.st_mode)) return make_error(Code::io, "'", path, "' is not a regular file");
  const auto size = static_cast<size_t>(about.st_size);
  if (size > limit) return make_error(Code::io, "'", path, "' has ", size, " bytes, the limit is ", limit);

  std::string bytes;
  bytes.reserve(size);
  char chunk[1 << 16];
  for (;;) {
    ssize_t n = ::read(file.fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("cannot read", path, errno);
    if (n == 0) return bytes;
    if (bytes.size() + static_cast<size_t>(n) > limit)
      return make_error(Code::io, "'", path, "' has more than the limit of ", limit, " bytes");
    bytes.append(chunk, static_cast<size_t>(n));
  }
}

Status write_file(const std::string& path, std::string_view bytes) {
  QL_TRY(const Target target, target_of(path));
  if (target.stream) return write_stream(path, bytes);
  const Partial partial(target.path);
  if (partial.file.fd < 0) return io_error("cannot write", path, errno);
  int code = write_all(partial.file.fd, bytes);
  if (!code && ::fsync(partial.file.fd) != 0) code = errno;  // a crash must not leave the new name with no content
  if (!code && ::rename(partial.path.c_str(), target.path.c_str()) != 0) code = errno;
  if (!code) return {};
  ::unlink(partial.path.c_str());
  return io_error("cannot write", path, code);
}

Result<std::vector<std::string>> sorted_entries(const std::string& folder) {
  std::error_code code;
  std::vector<std::string> paths;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    paths.push_back(it->path().string());
  if (code) return io_error("cannot list", folder, code.value());
  std::sort(paths.begin(), paths.end());
  return paths;
}

Status prepare_output_dir(const std::string& dir) {
  std::error_code code;
  if (exists(dir) && !is_directory(dir))
    return make_error(Code::io, "'", dir, "' is a file, expected an output folder");
  fs::create_directories(dir, code);
  if (code) return io_error("cannot create output folder", dir, code.value());
  return prepare_output_file((fs::path(dir) / "probe").string()).context(cat("output folder '", dir, "'"));
}

Status prepare_output_file(const std::string& path) {
  if (path.empty()) return invalid_argument("the output path is empty");
  if (is_directory(path)) return make_error(Code::io, "'", path, "' is a folder, expected an output file");
  QL_TRY(const Target target, target_of(path));
  if (target.stream) {
    if (::access(path.c_str(), W_OK) != 0) return io_error("cannot write", path, errno);
    return {};
  }
  const Partial partial(target.path);
  if (partial.file.fd < 0) return io_error("cannot write", path, errno);
  ::unlink(partial.path.c_str());
  return {};
}

}  // namespace quadlane::tools
