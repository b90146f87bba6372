#include "tools/io/file.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

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

std::string beside(const std::string& path) { return cat(path, ".partial-", ::getpid()); }

}  // namespace

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
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
  if (is_directory(path)) return make_error(Code::io, "'", path, "' is a folder, expected a file");
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return io_error("cannot open", path, errno);
  std::error_code no_size;
  uintmax_t size = fs::file_size(path, no_size);
  if (!no_size && size > limit) return make_error(Code::io, "'", path, "' has ", size, " bytes, the limit is ", limit);

  std::string bytes;
  if (!no_size) bytes.reserve(size);
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
  std::string partial = beside(path);
  int code = 0;
  {
    Descriptor file{::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) return io_error("cannot write", path, errno);
    code = write_all(file.fd, bytes);
  }
  if (!code && ::rename(partial.c_str(), path.c_str()) != 0) code = errno;
  if (!code) return {};
  ::unlink(partial.c_str());
  return io_error("cannot write", path, code);
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
  std::string partial = beside(path);
  Descriptor file{::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (file.fd < 0) return io_error("cannot write", path, errno);
  ::unlink(partial.c_str());
  return {};
}

}  // namespace quadlane::tools
