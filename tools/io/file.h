// Whole files: bounded reading, and writing that never leaves half a file behind.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::tools {

inline constexpr size_t kMaxFileBytes = size_t{4} << 30;

// Regular files only; refuses those of more than `limit` bytes before reading them.
Result<std::string> read_file(const std::string& path, size_t limit = kMaxFileBytes);

// Writes beside the target and renames: readers see the old file or the whole new one. On failure nothing remains. Of
// a link, the file it names is written; devices, FIFOs and sockets are written to as they are.
Status write_file(const std::string& path, std::string_view bytes);

// Creates the folder (and its parents) if need be and proves, by a file written and removed, that it can be written.
Status prepare_output_dir(const std::string& dir);
// The same for the folder a file is going to be written to; refuses a target that is a folder. Creates no folder.
Status prepare_output_file(const std::string& path);

// Paths of what lies in a folder.
Result<std::vector<std::string>> sorted_entries(const std::string& folder);

bool is_directory(const std::string& path);
bool is_regular_file(const std::string& path);  // or a link to one: reading it does not wait for anybody
bool exists(const std::string& path);
bool ends_with(std::string_view text, std::string_view suffix);  // without regard to case

}  // namespace quadlane::tools
