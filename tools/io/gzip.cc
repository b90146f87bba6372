#include "tools/io/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

gzFile handle(const auto& file) { return static_cast<gzFile>(file.get()); }

}  // namespace

void GzipReader::Close::operator()(void* file) const { gzclose(static_cast<gzFile>(file)); }

Result<GzipReader> GzipReader::open(const std::string& path) {
  if (is_directory(path)) return make_error(Code::io, "this is a folder, expected a file");
  if (exists(path) && !is_regular_file(path)) return make_error(Code::io, "this is not a regular file");
  errno = 0;
  GzipReader reader;
  reader.file_.reset(gzopen(path.c_str(), "rb"));
  if (!reader.file_) return make_error(Code::io, "cannot open: ", std::strerror(errno ? errno : ENOMEM));
  gzbuffer(handle(reader.file_), 1 << 17);
  reader.compressed_ = !gzdirect(handle(reader.file_));
  return reader;
}

Result<size_t> GzipReader::read(char* target, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    unsigned step = static_cast<unsigned>(std::min<size_t>(bytes - done, 1 << 30));
    int n = gzread(handle(file_), target + done, step);
    if (n < 0) {
      int code = 0;
      const char* message = gzerror(handle(file_), &code);
      return make_error(Code::io, "damaged gzip stream: ", code == Z_ERRNO ? std::strerror(errno) : message);
    }
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  int code = Z_OK;
  gzerror(handle(file_), &code);
  if (done < bytes && code == Z_BUF_ERROR) return make_error(Code::io, "the gzip stream is cut short");
  return done;
}

Status GzipReader::skip(int64_t bytes) {
  char scratch[4096];
  for (int64_t left = bytes; left > 0;) {
    QL_TRY(size_t got, read(scratch, static_cast<size_t>(std::min<int64_t>(left, sizeof scratch))));
    if (got == 0) return make_error(Code::io, "the file ends ", left, " bytes before its data starts");
    left -= static_cast<int64_t>(got);
  }
  return {};
}

Result<std::string> gzip(std::string_view bytes) {
  z_stream stream{};
  constexpr int kGzipFormat = 15 + 16;
  if (deflateInit2(&stream, 6, Z_DEFLATED, kGzipFormat, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    return make_error(Code::out_of_memory, "no memory to compress ", bytes.size(), " bytes");
  std::string packed;
  char chunk[1 << 16];
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    if (stream.avail_in == 0) {  // zlib counts in 32 bits
      size_t step = std::min<size_t>(bytes.size(), 1 << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      stream.avail_in = static_cast<uInt>(step);
      bytes.remove_prefix(step);
    }
    stream.next_out = reinterpret_cast<Bytef*>(chunk);
    stream.avail_out = sizeof chunk;
    state = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    packed.append(chunk, sizeof chunk - stream.avail_out);
  }
  deflateEnd(&stream);
  return packed;
}

}  // namespace quadlane::tools
