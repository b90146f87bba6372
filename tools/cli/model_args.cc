#include "tools/cli/model_args.h"

#include <charconv>
#include <cstdio>

#include "tools/cli/nearest.h"
#include "tools/code/vtune.h"
#include "tools/io/file.h"

namespace quadlane::tools {

void ModelArgs::add_to(CLI::App& app, bool positional) {
  const char* help = "an .onnx file, fp32 or quantized (QDQ), or a .qlp plan";
  if (positional)
    app.add_option("MODEL", path, help)->required();
  else
    app.add_option("--model", path, help)->capture_default_str();
  app.add_option("--isa", isa, "reference, avx2, avx512 or avx512_vnni; default: the best this machine runs");
  app.add_flag("--no-tune", no_tune, "choose schedules by the model alone, without timing them");
  app.add_flag("--self-test", self_test, "of a plan: refuse it unless its golden input gives the golden outputs here");
  app.add_option("--schedules", schedules, "file that keeps what timing chose, from one compilation to the next");
  app.add_option("--shape", shapes, "NAME=1x1x224x224: the shape of an input")->take_all();
  app.add_option("--dim", dims, "NAME=224: the extent of a symbolic dimension; repeatable")->take_all();
  app.add_option("--batch", batch, "images in one request: replaces the outermost extent of every input")
      ->check(CLI::Range(1, 65536));
  app.add_option("--disable", disabled, "name of a graph pass to leave out; repeatable")->take_all();
  app.add_flag("--perf-map", perf_map, "let `perf report` show kernels by name (/tmp/perf-PID.map)")
      ->group("Profilers");
  app.add_option("--jit-dump", jit_dump, "folder for jit-PID.dump, from which `perf inject --jit` annotates kernels")
      ->group("Profilers");
  app.add_option("--vtune-jit", vtune, "VTune's JIT collector library, to show kernels by name there")
      ->group("Profilers");
}

namespace {

constexpr size_t kMaxScheduleBytes = size_t{64} << 20;

Result<std::shared_ptr<compile::ScheduleBook>> open_schedules(const std::string& path) {
  auto book = std::make_shared<compile::ScheduleBook>();
  if (exists(path)) {
    QL_TRY(std::string text, read_file(path, kMaxScheduleBytes));
    auto read = compile::ScheduleBook::from_text(text);
    if (!read.ok()) return std::move(read).context(path).error();
    *book = std::move(*read);
  }
  QL_CHECK_OK(prepare_output_file(path));
  book->save = [path](const compile::ScheduleBook& written) {
    if (Status s = write_file(path, written.to_text()); !s.ok())
      std::fprintf(stderr, "note: %s\n", s.error().text().c_str());
  };
  return book;
}

}  // namespace

Status ModelArgs::open_listeners() const {
  auto listen = [&](Result<std::shared_ptr<CodeListener>> made) -> Status {
    QL_TRY(auto listener, std::move(made));
    listeners->push_back(std::move(listener));
    return {};
  };
  if (perf_map) QL_CHECK_OK(listen(make_perf_map()));
  if (!jit_dump.empty()) QL_CHECK_OK(listen(make_jit_dump(jit_dump)));
  if (!vtune.empty()) QL_CHECK_OK(listen(make_vtune_listener(vtune)));
  return {};
}

Result<ModelOptions> ModelArgs::options() const {
  ModelOptions options;
  options.tune = !no_tune;
  options.self_test = self_test;
  if (!schedules.empty()) {
    QL_TRY(options.schedules, open_schedules(schedules));
  }
  if (!isa.empty()) {
    QL_TRY(options.isa, parse_isa(isa));
  }
  std::vector<std::string> passes;
  for (const Pass& pass : all_passes()) passes.push_back(pass.name);
  for (const std::string& name : disabled) QL_CHECK_OK(known_name("pass", name, passes));
  options.disabled_passes.insert(disabled.begin(), disabled.end());
  for (const std::string& text : shapes) {
    size_t split = text.rfind('=');
    if (split == std::string::npos || split == 0) return invalid_argument("--shape '", text, "' is not NAME=AxBxC");
    QL_TRY(Shape shape, parse_shape(std::string_view(text).substr(split + 1)));
    options.load.shapes[text.substr(0, split)] = shape;
  }
  for (const std::string& text : dims) {
    size_t split = text.rfind('=');
    if (split == std::string::npos || split == 0) return invalid_argument("--dim '", text, "' is not NAME=EXTENT");
    QL_TRY(Shape extent, parse_shape(std::string_view(text).substr(split + 1)));
    if (extent.size() != 1) return invalid_argument("--dim '", text, "' is not NAME=EXTENT");
    options.load.symbols[text.substr(0, split)] = extent[0];
  }
  options.load.batch = batch;
  if (listeners->empty()) QL_CHECK_OK(open_listeners());
  options.code_listeners = *listeners;
  return options;
}

Result<Shape> parse_shape(std::string_view text) {
  Shape shape;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    int64_t extent = 0;
    auto [next, code] = std::from_chars(at, end, extent);
    if (code != std::errc() || extent < 1) return invalid_argument("'", text, "' is no shape like 1x1x224x224");
    shape.push_back(extent);
    if (next == end) return shape;
    if (*next != 'x' && *next != ',') return invalid_argument("'", text, "' is no shape like 1x1x224x224");
    at = next + 1;
  }
}

std::string isa_remark(const Model& model) {
  CpuInfo cpu = detect_cpu();
  if (cpu.runs(Isa::avx512_vnni)) return {};
  return cat("this machine (", cpu.name, ") has no AVX-512 VNNI: running on the ", to_string(model.isa()),
             model.isa() == Isa::reference ? " path" : " kernels");
}

}  // namespace quadlane::tools
