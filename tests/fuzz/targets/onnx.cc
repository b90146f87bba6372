// An ONNX file through import, passes and compilation; what it compiles to runs, and what can be written is read again.
#include <filesystem>
#include <fstream>

#include "loader/load.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/fuzz/targets/memory_file.h"
#include "tests/fuzz/targets/onnx_change.h"
#include "tests/fuzz/targets/small_run.h"

namespace quadlane::fuzz {
namespace {

constexpr Isa kIsas[] = {Isa::avx512_vnni, Isa::avx2, Isa::reference};

// A folder with one file of external data.
const std::string& folder() {
  static const std::string made = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "quadlane-fuzz-XXXXXX").string();
    if (!mkdtemp(pattern.data())) return std::string();
    std::ofstream(pattern + "/w.bin", std::ios::binary) << std::string(2048, 'w');
    return pattern;
  }();
  return made;
}

// Extents that the file leaves open are small.
void bind(const OnnxModel& file, int64_t extent, LoadOptions& options) {
  for (const InputSpec& input : file.inputs())
    for (const Dim& dim : input.dims)
      if (dim.is_open() && !dim.symbol.empty()) options.symbols[dim.symbol] = extent;
}

std::string run(Bytes bytes) {
  ModelOptions options = small_limits(kIsas[bytes.size() % 3]);
  const bool by_path = bytes.size() % 2;
  const MemoryFile on_disk(by_path ? bytes : Bytes());
  auto file = by_path ? OnnxModel::read(on_disk.path, options.load)
                      : OnnxModel::from_bytes(std::as_bytes(bytes), options.load, folder());
  if (!file.ok()) return {};
  bind(*file, bytes.size() % 2 ? 6 : 16, options.load);
  if (bytes.size() % 5 == 0) options.load.batch = 2;
  auto graph = file->bind(op_table(), options.load);
  if (!graph.ok()) return {};
  SaveOptions save;
  save.opset = 13 + static_cast<int>(bytes.size() % 9);
  if (auto saved = save_onnx_bytes(*graph, save); saved.ok()) (void)load_onnx_bytes(*saved, op_table(), options.load);
  auto model = Model::from_graph(*std::move(graph), options);
  if (model.ok()) run_if_small(model->shared_plan());
  return {};
}

}  // namespace

const Target kOnnx{"onnx", 1 << 20, run, change_onnx};

}  // namespace quadlane::fuzz
