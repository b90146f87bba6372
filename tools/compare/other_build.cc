#include "tools/compare/other_build.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "loader/save.h"
#include "tools/compare/temporary_folder.h"
#include "tools/io/file.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// The model, and what every verb is told about it.
std::string model_arguments(const ModelArgs& model) {
  std::string text = quoted(model.path);
  for (const std::string& shape : model.shapes) text += " --shape " + quoted(shape);
  for (const std::string& dim : model.dims) text += " --dim " + quoted(dim);
  for (const std::string& pass : model.disabled) text += " --disable " + quoted(pass);
  if (model.batch > 0) text += cat(" --batch ", model.batch);
  if (!model.isa.empty()) text += " --isa " + model.isa;
  if (model.no_tune) text += " --no-tune";
  return text;
}

std::string bench_arguments(const WorkloadArgs& args, double seconds) {
  std::string text = cat("bench ", model_arguments(args.model), " --streams ", args.streams, " --threads ",
                         args.threads, " --pin ", args.pin, " --seconds ", seconds);
  if (!args.precision.precision.empty()) text += " --precision " + args.precision.precision;
  for (const std::string& path : args.precision.calib) text += " --calib " + quoted(path);
  for (const std::string& input : args.inputs) text += " --input " + quoted(input);
  return text;
}

// One of the two programs.
struct Build {
  std::string program;

  // What it says last is the reason when it fails.
  Status run(const std::string& arguments, const TemporaryFolder& scratch) const {
    const std::string log = scratch.path("stderr");
    if (std::system(cat(quoted(program), " ", arguments, " >/dev/null 2>", quoted(log)).c_str()) == 0) return {};
    auto text = read_file(log);
    std::string reason = text.ok() ? *text : "";
    while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    return make_error(Code::io, "'", program, "' fails: ", reason.substr(reason.rfind('\n') + 1));
  }

  Status measure(const WorkloadArgs& args, double seconds, const TemporaryFolder& scratch, Contender& c,
                 Comparison& comparison) const {
    const std::string path = scratch.path("bench.json");
    QL_CHECK_OK(run(bench_arguments(args, seconds) + " --json " + quoted(path), scratch));
    QL_TRY(std::string text, read_file(path));
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded()) return make_error(Code::io, "'", program, "' wrote no result");
    c.ms.push_back(json["latency_ms"]["median"].get<double>());
    c.load_ms = json.value("compile_ms", 0.0) + json.value("open_ms", 0.0);  // of a model, or of a plan
    c.first_ms = json.value("first_inference_ms", 0.0);
    c.memory_bytes = json.value("added_bytes", int64_t{0});
    comparison.settings.streams = json.value("streams", 1);
    comparison.settings.threads = json.value("threads", 1);
    comparison.images = json.value("batch", 1.0) * comparison.settings.streams;
    return {};
  }
};

// What both make of the same inputs; where `bench` quantizes, of one file that this build has quantized.
Status compute(const WorkloadArgs& args, const TemporaryFolder& scratch, const std::vector<Build>& builds,
               std::vector<Contender>& contenders) {
  WorkloadArgs quick = args;
  quick.model.no_tune = true;
  ModelArgs model = args.model;
  if (!args.precision.precision.empty() || !args.precision.calib.empty()) {
    QL_TRY(LoadedGraph loaded, load_graph(args.model, args.precision));
    model.path = scratch.path("quantized.onnx");
    QL_CHECK_OK(save_onnx(loaded.graph, model.path));
    quick.precision.precision.clear();
    quick.precision.calib.clear();
  }
  QL_TRY(Workload workload, prepare(quick));
  QL_TRY(Lane lane, Lane::make(workload.model, workload.given, 1));
  std::string inputs;
  for (size_t i = 0; i < lane.inputs.size(); ++i) {
    const std::string path = scratch.path(cat("input", i, ".npy"));
    QL_CHECK_OK(write_npy(path, lane.inputs[i].view()));
    inputs += " --input " + quoted(workload.model.inputs()[i].name + "=" + path);
  }
  for (size_t b = 0; b < builds.size(); ++b) {
    const std::string folder = scratch.path(cat("outputs", b));
    QL_CHECK_OK(builds[b].run(cat("run ", model_arguments(model), inputs, " --output-dir ", quoted(folder)), scratch));
    for (const run::TensorInfo& output : workload.model.outputs()) {
      const std::string path = folder + "/" + file_name(output.name) + ".npy";
      if (!exists(path))
        return make_error(Code::io, "'", builds[b].program, "' ends well and has written no output '", output.name,
                          "': it is no quadlane");
      QL_TRY(Tensor tensor, read_npy(path));
      contenders[b].outputs.push_back(std::move(tensor));
    }
  }
  return {};
}

}  // namespace

Status builds_in_turn(const std::string& binary, const WorkloadArgs& args, int rounds, double seconds,
                      Comparison& comparison) {
  if (access(binary.c_str(), X_OK) != 0)
    return make_error(Code::io, "'", binary, "' is no program that could be run: give another build's quadlane");
  QL_TRY(auto scratch, TemporaryFolder::make());
  std::error_code none;
  const std::vector<Build> builds = {{std::filesystem::canonical("/proc/self/exe", none)},
                                     {std::filesystem::canonical(binary, none)}};
  std::vector<Contender>& contenders = comparison.engines;
  contenders = {{"this build", ""}, {"other build", binary}};
  QL_CHECK_OK(compute(args, *scratch, builds, contenders));
  const measure::CpuTime before = measure::CpuTime::now();
  for (int round = 0; round < rounds; ++round)
    for (size_t b = 0; b < builds.size(); ++b)
      QL_CHECK_OK(builds[b].measure(args, std::max(0.05, seconds / rounds / 2), *scratch, contenders[b], comparison));
  remark_other_load(before, comparison);
  return {};
}

}  // namespace quadlane::tools
