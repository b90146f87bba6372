// gzip streams through zlib, with errors as values.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace quadlane::tools {

// Reads a file, decompressing it when it is a gzip file.
class GzipReader {
 public:
  static Result<GzipReader> open(const std::string& path);

  // Bytes read: fewer than asked for only at the end of the file. A damaged or cut gzip stream is an error.
  Result<size_t> read(char* target, size_t bytes);
  Status skip(int64_t bytes);
  bool compressed() const { return compressed_; }

 private:
  struct Close {
    void operator()(void* file) const;
  };
  std::unique_ptr<void, Close> file_;  // a gzFile
  bool compressed_ = false;
};

// One gzip member without name or time: equal input gives equal bytes.
Result<std::string> gzip(std::string_view bytes);

}  // namespace quadlane::tools
