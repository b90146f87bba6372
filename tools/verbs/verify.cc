// quadlane verify: a model against stored inputs and outputs, as ONNX ships its test vectors.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "tools/cli/inputs.h"
#include "tools/cli/model_args.h"
#include "tools/cli/model_prep.h"
#include "tools/cli/output_files.h"
#include "tools/cli/tensors.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {
namespace fs = std::filesystem;

struct VerifyArgs {
  ModelArgs model;
  std::string data, json;
  double rtol = 1e-3, atol = 1e-7;
  int threads = 1;
};

// input_0.pb, input_1.pb, ... (or .npy), as many as there are.
std::vector<std::string> numbered(const std::string& folder, const char* prefix) {
  std::vector<std::string> paths;
  while (true) {
    std::string stem = (fs::path(folder) / cat(prefix, paths.size())).string();
    std::string path = exists(stem + ".pb") ? stem + ".pb" : stem + ".npy";
    if (!exists(path)) return paths;
    paths.push_back(std::move(path));
  }
}

// DIR/test_data_set_*, in order, or DIR itself when the vectors lie right there.
Result<std::vector<std::string>> data_sets(const std::string& dir) {
  if (!is_directory(dir)) return make_error(Code::io, "'", dir, "' is no folder");
  QL_TRY(std::vector<std::string> sets, sorted_entries(dir));
  std::erase_if(sets, [](const std::string& entry) {
    return !is_directory(entry) || fs::path(entry).filename().string().rfind("test_data_set_", 0) != 0;
  });
  if (sets.empty() && !numbered(dir, "output_").empty()) sets.push_back(dir);
  if (sets.empty()) return invalid_argument("'", dir, "' holds neither test_data_set_* nor output_0.pb");
  return sets;
}

struct Difference {
  int64_t wrong = 0, first = -1;
  double worst = 0;  // largest absolute difference
};

Difference compare(const View& got, const View& expected, double rtol, double atol) {
  Difference d;
  bool exact = !is_float(got.type->dtype);
  for (int64_t i = 0; i < got.type->count(); ++i) {
    double a = element_as_double(got, i), b = element_as_double(expected, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    double gap = std::fabs(a - b);
    d.worst = std::isnan(gap) ? INFINITY : std::max(d.worst, gap);
    if (!exact && gap <= atol + rtol * std::fabs(b)) continue;
    if (d.wrong++ == 0) d.first = i;
  }
  return d;
}

struct Verdict {
  std::string set, output;
  std::string problem;  // empty: agrees
  double worst = 0;
};

Status verify_set(const VerifyArgs& args, const DynamicModel& model, DynamicStream& stream, const std::string& set,
                  std::vector<Verdict>& verdicts) {
  std::vector<std::string> files = numbered(set, "input_");
  if (files.size() != model.inputs().size())
    return invalid_argument("'", set, "' holds ", files.size(), " inputs, the model has ", model.inputs().size());
  QL_TRY(std::vector<Tensor> inputs, read_inputs(model.inputs(), files, *picture_reader(args.model.path, {})));
  QL_TRY(std::vector<Tensor> outputs, stream.run(views_of(inputs)));
  std::vector<std::string> expected = numbered(set, "output_");
  if (expected.size() != outputs.size())
    return invalid_argument("'", set, "' holds ", expected.size(), " outputs, the model has ", outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    QL_TRY(Tensor want, read_tensor(expected[i]));
    Verdict verdict{fs::path(set).filename().string(), stream.model()->outputs()[i].name, {}, 0};
    if (want.type() != outputs[i].type()) {
      verdict.problem = cat("is ", to_string(outputs[i].type()), ", expected ", to_string(want.type()));
    } else {
      Difference d = compare(outputs[i].view(), want.view(), args.rtol, args.atol);
      verdict.worst = d.worst;
      if (d.wrong)
        verdict.problem =
            cat(d.wrong, " of ", want.count(), " elements differ; element ", d.first, " is ",
                element_as_double(outputs[i].view(), d.first), ", expected ", element_as_double(want.view(), d.first));
    }
    verdicts.push_back(std::move(verdict));
  }
  return {};
}

Status write_verdicts(const VerifyArgs& args, const std::vector<Verdict>& verdicts, size_t failed) {
  nlohmann::ordered_json report = {{"model", args.model.path},
                                   {"rtol", args.rtol},
                                   {"atol", args.atol},
                                   {"outputs", verdicts.size()},
                                   {"failed", failed}};
  for (const Verdict& v : verdicts)
    report["results"].push_back({{"set", v.set},
                                 {"output", v.output},
                                 {"ok", v.problem.empty()},
                                 {"max_abs_difference", v.worst},
                                 {"problem", v.problem}});
  return write_json(args.json, report);
}

Status verify(const VerifyArgs& args) {
  if (!args.json.empty()) QL_CHECK_OK(prepare_output_file(args.json));
  QL_TRY(std::vector<std::string> sets, data_sets(args.data));
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(DynamicModel model, DynamicModel::load(args.model.path, {options}));
  DynamicStream stream = model.open_stream({.threads = args.threads});
  std::vector<Verdict> verdicts;
  for (const std::string& set : sets) QL_CHECK_OK(verify_set(args, model, stream, set, verdicts));

  size_t failed = 0;
  for (const Verdict& v : verdicts) {
    failed += !v.problem.empty();
    std::printf("%s  %s  %s  max difference %.3g%s%s\n", v.problem.empty() ? "ok  " : "FAIL", v.set.c_str(),
                v.output.c_str(), v.worst, v.problem.empty() ? "" : ": ", v.problem.c_str());
  }
  if (!args.json.empty()) QL_CHECK_OK(write_verdicts(args, verdicts, failed));
  if (failed) return invalid_argument(failed, " of ", verdicts.size(), " outputs differ from '", args.data, "'");
  return {};
}

}  // namespace

Verb add_verify(CLI::App& root) {
  CLI::App* app = root.add_subcommand("verify", "Check a model against stored inputs and outputs");
  auto args = std::make_shared<VerifyArgs>();
  args->model.add_to(*app);
  app->add_option("--data", args->data, "folder with test_data_set_*/input_*.pb and output_*.pb (or .npy)")->required();
  app->add_option("--rtol", args->rtol, "relative tolerance of floating-point outputs")->capture_default_str();
  app->add_option("--atol", args->atol, "absolute tolerance; integers must be equal")->capture_default_str();
  app->add_option("--threads", args->threads, "threads that share the work")->check(CLI::Range(1, 1024));
  add_output(*app, "--json", args->json, "write the verdicts to this file");
  return {app, [args] { return verify(*args); }};
}

}  // namespace quadlane::tools
