// Dependencies point one way. Each folder may include what stands beside it here, and nothing else of the tree.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
const fs::path kRoot = QUADLANE_REPOSITORY;

const std::map<std::string, std::vector<std::string>> kMayInclude = {
    {"engine/base", {}},
    {"graph", {"engine/base"}},
    {"jit", {"engine/base"}},
    {"engine/run", {"engine/base"}},
    {"ops", {"engine/base", "graph"}},
    {"loader", {"engine/base", "graph"}},
    {"engine/reference", {"engine/base", "graph", "engine/run", "ops"}},
    {"engine/c", {"engine/base", "graph", "engine/run", "engine/reference", "ops"}},
    {"engine/compile", {"engine/base", "graph", "jit", "engine/run", "engine/reference", "ops"}},
    {"engine/api",
     {"engine/base", "graph", "jit", "engine/run", "engine/reference", "ops", "engine/compile", "loader"}},
};
// Third-party headers and the only folder that sees them.
const std::map<std::string, std::string> kOnlyIn = {{"<xbyak/", "jit"},
                                                    {"<onnx/", "loader"},
                                                    {"<google/protobuf", "loader"},
                                                    {"<oneapi/tbb", "engine/run"},
                                                    {"<tbb/", "engine/run"}};

bool below(const std::string& path, const std::string& folder) { return path.rfind(folder + "/", 0) == 0; }

std::vector<std::string> includes(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> found;
  for (std::string line; std::getline(in, line);)
    if (line.rfind("#include ", 0) == 0) found.push_back(line.substr(9));
  return found;
}

template <class Visit>
void for_sources(const std::string& folder, Visit visit) {
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder))
    if (entry.path().extension() == ".cc" || entry.path().extension() == ".h") visit(entry.path());
}

TEST(Layering, FoldersIncludeOnlyWhatIsBelowThem) {
  int checked = 0;
  for (const auto& [folder, allowed] : kMayInclude)
    for_sources(folder, [&, &folder = folder, &allowed = allowed](const fs::path& file) {
      for (const std::string& include : includes(file)) {
        if (include.empty() || include[0] != '"') continue;
        const std::string target = include.substr(1, include.rfind('"') - 1);
        bool fine = below(target, folder);
        for (const std::string& other : allowed) fine |= below(target, other);
        EXPECT_TRUE(fine) << file << " includes " << include;
        ++checked;
      }
    });
  EXPECT_GT(checked, 200);
}

TEST(Layering, ThirdPartyHeadersStayBehindTheirDoor) {
  for (const auto& [folder, allowed] : kMayInclude)
    for_sources(folder, [&, &folder = folder](const fs::path& file) {
      for (const std::string& include : includes(file))
        for (const auto& [prefix, owner] : kOnlyIn) {
          const bool third_party = include.rfind(prefix, 0) == 0;
          EXPECT_TRUE(!third_party || folder == owner) << file << " includes " << include;
        }
    });
}

}  // namespace
