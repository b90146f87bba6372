#include "tools/cli/output_files.h"

#include <filesystem>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace fs = std::filesystem;

CLI::Option* add_output(CLI::App& app, const std::string& option, std::string& path, const std::string& help) {
  return app.add_option(option, path, help)->check([](const std::string& text) {
    return text.empty() || text == "-" ? cat("'", text, "' is no name of a file") : std::string();
  });
}

Status prepare_outputs(std::span<const std::string> paths, std::span<const std::string> inputs) {
  std::error_code none;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (paths[i].empty()) continue;
    QL_CHECK_OK(prepare_output_file(paths[i]));
    const fs::path path = fs::weakly_canonical(paths[i], none);
    if (fs::exists(path, none) && !fs::is_regular_file(path, none)) continue;  // a device takes both
    for (size_t k = 0; k < i; ++k)
      if (!paths[k].empty() && fs::weakly_canonical(paths[k], none) == path)
        return invalid_argument("'", paths[i], "' is to be written twice: give each output a file of its own");
    for (const std::string& input : inputs)
      if (fs::equivalent(path, input, none))
        return invalid_argument("'", paths[i], "' is read here, and would be replaced: give the output another name");
  }
  return {};
}

}  // namespace quadlane::tools
