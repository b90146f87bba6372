// quadlane run: one inference on tensors from files.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "tools/cli/model_args.h"
#include "tools/cli/table.h"
#include "tools/cli/tensors.h"
#include "tools/io/file.h"
#include "tools/io/npy.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

struct RunArgs {
  ModelArgs model;
  std::vector<std::string> inputs;
  std::string output_dir = ".";
  int threads = 1;
};

// Files in the model's order: NAME=FILE goes to that input, a bare FILE to the next one that has none.
Result<std::vector<std::string>> assign_inputs(const Model& model, const std::vector<std::string>& specs) {
  const auto& infos = model.inputs();
  std::vector<std::string> files(infos.size());
  for (const std::string& spec : specs) {
    size_t split = spec.rfind('=');
    auto named =
        std::find_if(infos.begin(), infos.end(), [&](const auto& i) { return i.name == spec.substr(0, split); });
    size_t slot = static_cast<size_t>(std::find(files.begin(), files.end(), "") - files.begin());
    std::string file = spec;
    if (split != std::string::npos && !exists(spec)) {  // a path may contain "="
      if (named == infos.end())
        return invalid_argument("--input '", spec, "': the model has no input '", spec.substr(0, split), "'");
      slot = static_cast<size_t>(named - infos.begin());
      file = spec.substr(split + 1);
    }
    if (slot >= files.size())
      return invalid_argument(specs.size(), " --input given, the model has ", infos.size(), " inputs");
    files[slot] = file;
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i].empty())
      return invalid_argument("input '", infos[i].name, "' (", to_string(infos[i].type), ") has no --input");
  return files;
}

std::vector<std::string> summary(const run::TensorInfo& info, const Tensor& tensor) {
  double least = INFINITY, most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    double value = element_as_double(tensor.view(), i);
    least = std::min(least, value), most = std::max(most, value), sum += value;
  }
  double count = static_cast<double>(std::max<int64_t>(tensor.count(), 1));
  return {info.name, to_string(info.type), cat(least), cat(most), cat(sum / count)};
}

Status run(const RunArgs& args) {
  QL_CHECK_OK(prepare_output_dir(args.output_dir));
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(Model model, Model::load(args.model.path, options));
  QL_TRY(std::vector<std::string> files, assign_inputs(model, args.inputs));
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < files.size(); ++i) {
    QL_TRY(Tensor tensor, read_tensor(files[i]));
    QL_CHECK_OK(check_input(model.inputs()[i], tensor.type(), files[i]));
    inputs.push_back(std::move(tensor));
  }
  QL_TRY(Outputs outputs, Outputs::allocate(model.outputs()));
  QL_TRY(run::Stream stream, model.open_stream({.threads = args.threads}));
  QL_CHECK_OK(stream.run(views_of(inputs), outputs.views()));

  Table table({"output", "type", "min", "max", "mean"});
  for (size_t i = 0; i < outputs.size(); ++i) {
    const run::TensorInfo& info = model.outputs()[i];
    std::string path = (std::filesystem::path(args.output_dir) / (file_name(info.name) + ".npy")).string();
    QL_CHECK_OK(write_npy(path, outputs[i].view()));
    table.add(summary(info, outputs[i]));
  }
  std::fputs(table.text().c_str(), stdout);
  return {};
}

}  // namespace

Verb add_run(CLI::App& root) {
  CLI::App* app = root.add_subcommand("run", "Run a model once on tensors from files");
  auto args = std::make_shared<RunArgs>();
  args->model.add_to(*app);
  app->add_option("--input", args->inputs, "FILE.npy or FILE.pb, or NAME=FILE; one for each input of the model")
      ->take_all();
  app->add_option("--output-dir", args->output_dir, "where NAME.npy is written for each output")->capture_default_str();
  app->add_option("--threads", args->threads, "threads that share the work")->check(CLI::Range(1, 1024));
  return {app, [args] { return run(*args); }};
}

}  // namespace quadlane::tools
