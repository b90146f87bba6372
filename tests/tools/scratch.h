// A folder of a test's own, removed at its end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace quadlane::tools {

class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "quadlane-test-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  Scratch(const Scratch&) = delete;

  std::string path(const std::string& name) const { return (root_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(root_ / name, std::ios::binary) << bytes;
    return path(name);
  }
  std::string make_dir(const std::string& name) const {
    std::filesystem::create_directories(root_ / name);
    return path(name);
  }
  // Files and folders, subfolders' entries not counted.
  size_t entries(const std::string& name = ".") const {
    std::filesystem::directory_iterator begin(root_ / name), end;
    return static_cast<size_t>(std::distance(begin, end));
  }

 private:
  std::filesystem::path root_;
};

}  // namespace quadlane::tools
