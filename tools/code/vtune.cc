#include "tools/code/vtune.h"

#include "tools/peers/library.h"

namespace quadlane::tools {
namespace {

constexpr int kMethodLoadFinished = 13;
// The collector's record of a method; its layout is part of the interface.
struct Method {
  unsigned id;
  char* name;
  void* address;
  unsigned bytes, line_table_bytes;
  void* line_table;
  unsigned class_id;
  char *class_file, *source_file;
};

class Vtune final : public CodeListener {
 public:
  Vtune(peers::Library library, int (*notify)(int, void*)) : library_(std::move(library)), notify_(notify) {}
  Status code_loaded(const std::string& name, const void* address, std::span<const uint8_t> code) override {
    std::string text = name, group = "quadlane";
    Method method{
        next_id_++,   text.data(), const_cast<void*>(address), static_cast<unsigned>(code.size()), 0, nullptr, 0,
        group.data(), nullptr};
    notify_(kMethodLoadFinished, &method);
    return {};
  }

 private:
  peers::Library library_;
  int (*notify_)(int, void*);
  unsigned next_id_ = 1000;  // smaller ones are the collector's
};

}  // namespace

Result<std::shared_ptr<CodeListener>> make_vtune_listener(const std::string& path) {
  QL_TRY(peers::Library library, peers::Library::open("VTune's JIT collector", {path},
                                                      "give the path that INTEL_JIT_PROFILER64 has under VTune"));
  auto* notify = library.function<int(int, void*)>("NotifyEvent");
  if (!notify) return unsupported("'", path, "' has no NotifyEvent: it is no JIT collector of VTune");
  if (auto* initialize = library.function<int()>("Initialize")) initialize();
  return std::shared_ptr<CodeListener>(std::make_shared<Vtune>(std::move(library), notify));
}

}  // namespace quadlane::tools
