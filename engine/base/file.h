// Whole files in and out.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane {

// The bytes of a regular file; refuses more than max_bytes before reading any.
Result<std::vector<std::byte>> read_whole_file(const std::string& path, size_t max_bytes);
// Writes beside `path` and renames, so that `path` holds either its old content or all of the new one.
Status write_whole_file(const std::string& path, std::span<const std::byte> bytes);

}  // namespace quadlane
