#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "jit/code_listener.h"

namespace quadlane {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

class PerfMap final : public CodeListener {
 public:
  explicit PerfMap(std::FILE* file) : file_(file) {}
  bool wants_private_pages() const override { return true; }
  Status code_loaded(const std::string& name, const void* address, std::span<const uint8_t> code) override {
    std::fprintf(file_.get(), "%zx %zx %s\n", reinterpret_cast<uintptr_t>(address), code.size(), name.c_str());
    if (std::fflush(file_.get()) == 0) return {};
    return make_error(Code::io, "cannot write the map of generated code: ", std::strerror(errno));
  }

 private:
  std::unique_ptr<std::FILE, CloseFile> file_;
};

}  // namespace

Result<std::shared_ptr<CodeListener>> make_perf_map() {
  const std::string path = cat("/tmp/perf-", getpid(), ".map");
  std::FILE* file = std::fopen(path.c_str(), "a");
  if (!file) return make_error(Code::io, "cannot write '", path, "': ", std::strerror(errno));
  return std::shared_ptr<CodeListener>(std::make_shared<PerfMap>(file));
}

}  // namespace quadlane
