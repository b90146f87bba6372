#include <cstdio>
#include <cstring>
#include <memory>

#include "tools/dicom/raster.h"
#include "tools/io/file.h"

namespace quadlane::tools {

bool is_dicom_file(const std::string& path) {
  if (ends_with(path, ".dcm")) return true;
  if (!is_regular_file(path)) return false;  // opening a FIFO would wait for a writer
  constexpr long kPreambleBytes = 128;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  char magic[4];
  return file && std::fseek(file.get(), kPreambleBytes, SEEK_SET) == 0 &&
         std::fread(magic, 1, sizeof magic, file.get()) == sizeof magic && std::memcmp(magic, "DICM", 4) == 0;
}

}  // namespace quadlane::tools
