// quadlane run: one inference on tensors from files, or one on each sample of a folder.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "tools/cli/inputs.h"
#include "tools/cli/model_args.h"
#include "tools/cli/model_prep.h"
#include "tools/cli/output_files.h"
#include "tools/cli/provenance.h"
#include "tools/cli/samples.h"
#include "tools/cli/table.h"
#include "tools/cli/tensors.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/io/npy.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

struct RunArgs {
  ModelArgs model;
  std::vector<std::string> inputs;
  std::string each, prep, output_dir = ".", provenance;
  int threads = 1;
};

std::vector<std::string> summary(const run::TensorInfo& info, const Tensor& tensor) {
  double least = INFINITY, most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    double value = element_as_double(tensor.view(), i);
    least = std::min(least, value), most = std::max(most, value), sum += value;
  }
  double count = static_cast<double>(std::max<int64_t>(tensor.count(), 1));
  return {info.name, to_string(tensor.type()), cat(least), cat(most), cat(sum / count)};
}

// Hashes of the tensors themselves: what a picture became, not the picture.
Status write_provenance(const RunArgs& args, const Model& model, std::span<const std::string> files,
                        std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  QL_TRY(auto record, provenance(args.model.path, model, {.threads = args.threads}));
  for (size_t i = 0; i < inputs.size(); ++i) {
    record["inputs"].push_back(hashed_tensor(model.inputs()[i].name, inputs[i]));
    record["inputs"].back()["file"] = files[i];
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    record["outputs"].push_back(hashed_tensor(model.outputs()[i].name, outputs[i]));
  return write_json(args.provenance, record);
}

// NAME.npy for each output. Two names may become one file's: "a/b" and "a:b".
Result<std::vector<std::string>> output_files(const std::string& dir, std::span<const run::TensorInfo> outputs) {
  std::map<std::string, std::string> written;
  std::vector<std::string> files;
  for (const run::TensorInfo& output : outputs) {
    files.push_back((std::filesystem::path(dir) / (file_name(output.name) + ".npy")).string());
    if (const auto [first, is_new] = written.emplace(files.back(), output.name); !is_new)
      return unsupported("outputs '", first->second, "' and '", output.name, "' would both be written to '",
                         files.back(), "'");
  }
  return files;
}

// Runs one sample, writes its outputs and adds them to the table.
Status run_on(const std::string& name, std::span<const Tensor> inputs, const std::string& dir, DynamicStream& stream,
              std::vector<Tensor>& outputs, Table& table) {
  QL_TRY(outputs, stream.run(views_of(inputs)));
  QL_TRY(std::vector<std::string> files, output_files(dir, stream.model()->outputs()));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const run::TensorInfo& info = stream.model()->outputs()[i];
    QL_CHECK_OK(write_npy(files[i], outputs[i].view()));
    std::vector<std::string> row = summary(info, outputs[i]);
    if (!name.empty()) row.insert(row.begin(), name);
    table.add(row);
  }
  return {};
}

Status run_once(const RunArgs& args, const DynamicModel& model, PictureReader& pictures) {
  QL_TRY(std::vector<std::string> files, assign_inputs(model.inputs(), args.inputs));
  QL_TRY(std::vector<Tensor> inputs, read_inputs(model.inputs(), files, pictures));
  DynamicStream stream = model.open_stream({.threads = args.threads});
  std::vector<Tensor> outputs;
  Table table({"output", "type", "min", "max", "mean"});
  QL_CHECK_OK(run_on("", inputs, args.output_dir, stream, outputs, table));
  if (!args.provenance.empty()) QL_CHECK_OK(write_provenance(args, *stream.model(), files, inputs, outputs));
  std::fputs(table.text().c_str(), stdout);
  return {};
}

// As `quantize --calib` finds samples; all slices of a volume are one.
Result<std::vector<Sample>> samples_in(const std::string& folder, std::span<const InputSpec> inputs,
                                       std::shared_ptr<PictureReader> pictures) {
  Graph names;
  for (const InputSpec& input : inputs) names.add_input(input.name, {input.dtype, {}});
  QL_TRY(CalibrationSource source, find_calibration({folder}, names, std::move(pictures)));
  std::erase_if(source.samples, [](const Sample& sample) { return sample.index > 0; });
  return std::move(source.samples);
}

Status run_each(const RunArgs& args, const DynamicModel& model, std::shared_ptr<PictureReader> pictures) {
  QL_TRY(const std::vector<Sample> samples, samples_in(args.each, model.inputs(), pictures));
  std::map<std::string, const Sample*> folders;  // one for the outputs of each
  for (const Sample& sample : samples) {
    const std::string dir = (std::filesystem::path(args.output_dir) / sample.below).replace_extension().string();
    if (const auto [first, is_new] = folders.emplace(dir, &sample); !is_new)
      return unsupported("the outputs of '", first->second->below, "' and '", sample.below, "' would both be written to '",
                         dir, "'");
  }
  DynamicStream stream = model.open_stream({.threads = args.threads});
  std::vector<Tensor> outputs;
  Table table({"sample", "output", "type", "min", "max", "mean"});
  for (const auto& [dir, sample] : folders) {
    QL_CHECK_OK(prepare_output_dir(dir));
    QL_TRY(std::vector<Tensor> inputs, read_inputs(model.inputs(), sample->files, *pictures));
    QL_CHECK_OK(run_on(sample->below, inputs, dir, stream, outputs, table));
  }
  std::fputs(table.text().c_str(), stdout);
  return {};
}

Status run(const RunArgs& args) {
  if (!args.each.empty() && !args.inputs.empty())
    return invalid_argument("--input is of one run, --each makes one of every sample: give one of the two");
  if (!args.each.empty() && !args.provenance.empty())
    return invalid_argument("--provenance is of one run, --each makes many");
  QL_CHECK_OK(prepare_output_dir(args.output_dir));
  if (!args.provenance.empty()) QL_CHECK_OK(prepare_output_file(args.provenance));
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(DynamicModel model, DynamicModel::load(args.model.path, {options}));
  std::shared_ptr<PictureReader> pictures = picture_reader(args.model.path, args.prep);
  return args.each.empty() ? run_once(args, model, *pictures) : run_each(args, model, std::move(pictures));
}

}  // namespace

Verb add_run(CLI::App& root) {
  CLI::App* app = root.add_subcommand("run", "Run a model on tensors or images from files");
  auto args = std::make_shared<RunArgs>();
  args->model.add_to(*app);
  app->add_option("--input", args->inputs,
                  "FILE.npy, FILE.pb or an image, or NAME=FILE; one for each input of the model")
      ->take_all();
  app->add_option("--each", args->each,
                  "instead: a folder, and every sample in it, as quantize --calib finds them, is run; outputs are written "
                  "to a folder for each");
  app->add_option("--prep", args->prep, "how images become inputs; default: MODEL.prep.json, or what the model says");
  app->add_option("--output-dir", args->output_dir, "where NAME.npy is written for each output")->capture_default_str();
  add_output(*app, "--provenance", args->provenance,
             "write what made the outputs of what (versions, hashes) to this file");
  app->add_option("--threads", args->threads, "threads that share the work")->check(CLI::Range(1, 1024));
  return {app, [args] { return run(*args); }};
}

}  // namespace quadlane::tools
