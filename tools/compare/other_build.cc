#include "tools/compare/other_build.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string bench_arguments(const WorkloadArgs& args, double seconds) {
  std::string text =
      cat(" bench ", quoted(args.model.path), " --streams 1 --threads ", args.threads, " --seconds ", seconds);
  if (!args.precision.precision.empty()) text += " --precision " + args.precision.precision;
  for (const std::string& path : args.precision.calib) text += " --calib " + quoted(path);
  for (const std::string& shape : args.model.shapes) text += " --shape " + quoted(shape);
  for (const std::string& dim : args.model.dims) text += " --dim " + quoted(dim);
  if (!args.model.isa.empty()) text += " --isa " + args.model.isa;
  if (args.model.no_tune) text += " --no-tune";
  return text;
}

}  // namespace

Result<std::vector<Contender>> builds_in_turn(const std::string& binary, const WorkloadArgs& args, int rounds,
                                              double seconds) {
  if (access(binary.c_str(), X_OK) != 0)
    return make_error(Code::io, "'", binary, "' is no program that could be run: give another build's quadlane");
  std::string folder = (std::filesystem::temp_directory_path() / "quadlane-compare-XXXXXX").string();
  if (!mkdtemp(folder.data())) return make_error(Code::io, "cannot make a folder like '", folder, "'");
  const std::string json_path = folder + "/bench.json";
  std::vector<Contender> builds = {{"this build", ""}, {"other build", binary}};
  Status failed;
  for (int round = 0; failed.ok() && round < rounds; ++round)
    for (Contender& build : builds) {
      const std::string program = build.detail.empty() ? std::string("/proc/self/exe") : binary;
      std::error_code none;
      const std::string real = std::filesystem::canonical(program, none);
      const std::string command = cat(quoted(real), bench_arguments(args, std::max(0.05, seconds / rounds / 2)),
                                      " --json ", quoted(json_path), " >/dev/null 2>&1");
      if (std::system(command.c_str()) != 0) {
        failed = make_error(Code::io, "'", program, "' fails: ", command);
        break;
      }
      auto text = read_file(json_path);
      const auto json = nlohmann::json::parse(text.ok() ? *text : "", nullptr, false);
      if (json.is_discarded()) {
        failed = make_error(Code::io, "'", program, "' wrote no result");
        break;
      }
      build.ms.push_back(json["latency_ms"]["median"].get<double>());
      build.load_ms = json.value("compile_ms", 0.0);
      build.first_ms = json.value("first_inference_ms", 0.0);
      build.memory_bytes = json.value("arena_bytes", int64_t{0}) + json.value("weight_bytes", int64_t{0});
    }
  std::error_code none;
  std::filesystem::remove_all(folder, none);
  if (!failed.ok()) return std::move(failed).error();
  return builds;
}

}  // namespace quadlane::tools
