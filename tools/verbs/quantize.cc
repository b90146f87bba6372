// quadlane quantize: fp32 ONNX and real inputs -> int8 ONNX in QDQ form.
#include "graph/quant/quantize.h"

#include <memory>

#include "engine/base/sha256.h"
#include "graph/passes/rewrite.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tools/accuracy/decision_bias.h"
#include "tools/accuracy/measured_bias.h"
#include "tools/accuracy/report.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/equalize.h"
#include "tools/cli/model_args.h"
#include "tools/cli/model_prep.h"
#include "tools/cli/moments.h"
#include "tools/cli/nearest.h"
#include "tools/cli/open_shapes.h"
#include "tools/cli/output_files.h"
#include "tools/cli/parallel.h"
#include "tools/cli/range_choice.h"
#include "tools/io/file.h"
#include "tools/verbs/quantize_report.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

constexpr size_t kReportInputs = 96, kBiasInputs = 48;

struct QuantizeArgs {
  ModelArgs model;
  std::vector<std::string> calib, keep_f32;
  std::string output, prep, form = "quadlane", method = "minmax", rounding, save_stats, json, html;
  std::optional<double> max_drop;
  bool measured_bias = false, no_equalize = false;
  std::string metric = "sqnr", labels;
  size_t max_f32 = SIZE_MAX;
};

// What would take its time and change nothing.
Status check_combinations(const QuantizeArgs& args) {
  if (args.form == "any" && args.measured_bias) return invalid_argument("--for any does not take --measured-bias");
  if (args.rounding == "auto" && args.method != "auto") return invalid_argument("--rounding auto is for --method auto");
  if (args.max_drop && args.measured_bias)
    return invalid_argument("--measured-bias is measured before --max-drop chooses layers: name them by --keep-f32");
  if (!args.max_drop && (!args.labels.empty() || args.max_f32 != SIZE_MAX))
    return invalid_argument("--labels and --max-f32 are for --max-drop, which is not given");
  return {};
}

bool chooses_rounding(const QuantizeArgs& args) {
  return args.method == "auto" && (args.rounding.empty() || args.rounding == "auto");
}

Status refuse_quantized(const Graph& graph, const std::string& path) {
  for (NodeId id : graph.order())
    if (graph.at(id).op == "QuantizeLinear" || graph.at(id).op == "DequantizeLinear")
      return invalid_argument("'", path, "' is quantized already: node '", graph.at(id).name, "' is a ",
                              graph.at(id).op);
  return {};
}

// A layer whose name is misspelt would be in int8 without a word.
Status check_kept_names(const Graph& graph, const std::vector<std::string>& wanted) {
  std::vector<std::string> names;
  for (NodeId id : graph.order())
    if (is_one_of(graph.at(id).op, {"Conv", "ConvTranspose", "MatMul", "Gemm"})) names.push_back(graph.at(id).name);
  for (const std::string& name : wanted) QL_CHECK_OK(known_name("convolution or product", name, names));
  return {};
}

// `prep`: the model's preprocessing, which travels inside the file; or empty.
Status write_model(const Graph& graph, const OpenDims& dims, const Profile& profile, const std::string& prep,
                   const std::string& path) {
  SaveOptions save;
  save.dims = dims;
  save.producer_version = QUADLANE_VERSION;
  save.metadata["calibration_samples"] = cat(profile.samples());
  save.metadata["calibration_sha256"] = sha256_hex(profile.to_text());
  if (!prep.empty()) save.metadata[kPrepMetadata] = prep;
  QL_TRY(std::vector<std::byte> bytes, save_onnx_bytes(graph, save));
  return write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Of an open model's samples those of the graph's shape alone can be measured on. What to say of the others where
// anything is measured.
Result<std::string> remark_on_others(const Graph& graph, const CalibrationSource& source, const QuantizeArgs& args) {
  const bool chooses = args.method == "auto" || args.max_drop || args.rounding == "adaptive" || args.measured_bias;
  if (source.others.empty() || (!chooses && (args.json + args.html).empty())) return std::string();
  const size_t all = source.samples.size() + source.others.size();
  const std::string others = cat(source.others.size(), " of ", all, " calibration samples have another shape than ",
                                 to_string(graph.at(graph.inputs()[0]).type));
  if (source.samples.empty() && chooses) return invalid_argument(others, ", none can be measured on");
  return cat(others, ": ranges count them, what is measured leaves them out");
}

DropBound bound_of(const QuantizeArgs& args) {
  return {args.max_drop.value_or(0), *metric_of(args.metric), args.labels, args.max_f32};
}

// Chooses the layers that stay in fp32 and puts them into the policy.
Result<ControlResult> control(const Graph& graph, const SampleParts& parts, const QuantizeArgs& args,
                              RangeChoice& choice) {
  const DropBound bound = bound_of(args);
  QL_TRY(ControlResult result, control_accuracy(graph, choice.profile, choice.policy, parts, bound));
  const KeptLayers& layers = result.layers;
  if (!layers.met)
    return invalid_argument("no assignment found meets a ", args.metric, " drop of ", bound.max_drop,
                            ": the best reached is ", layers.loss.bounded(), ", ", layers.held_out.bounded(), " on ",
                            result.checked_on(), ", with ", layers.keep.size(), " of ", layers.ranking.size(),
                            " layers in fp32");
  choice.policy.keep_f32.insert(layers.keep.begin(), layers.keep.end());
  choice.policy.for_a_bound = layers.keep;
  if (result.all) choice.profile = *result.all;
  if (std::min(result.fp32_score, result.fp32_held_out) <= 0)
    choice.notes.push_back(cat("fp32 itself has a ", args.metric, " of 0 by '", args.labels,
                               "': nothing can be lost, the bound says nothing; are these the inputs' labels?"));
  if (!parts.note.empty()) choice.notes.push_back(parts.note);
  return result;
}

Status correct_biases(const Graph& graph, const std::vector<Sample>& all, const CalibrationSource& source,
                      RangeChoice& choice) {
  if (source.profile) return invalid_argument("--measured-bias needs inputs, --calib names saved statistics only");
  std::vector<Sample> spread;  // evenly, as folders hold like beside like
  for (size_t i = 0; i < std::min(all.size(), kBiasInputs); ++i)
    spread.push_back(all[i * all.size() / std::min(all.size(), kBiasInputs)]);
  QL_CHECK_OK(measure_bias(graph, choice.profile, spread, source, choice.policy));
  QL_TRY([[maybe_unused]] bool balanced, balance_decisions(graph, choice.profile, all, source, choice.policy));
  return {};
}

// Other engines know convolutions of sequences and volumes, and no network of their slices.
Result<Graph> load_for_any(const OnnxModel& file, const ModelOptions& options) {
  ModelOptions plain = options;
  plain.disabled_passes.insert("volumes_as_images");
  return load_simplified(file, plain);
}

Status quantize_model(const QuantizeArgs& args) {
  std::vector<std::string> read = args.calib;
  read.insert(read.end(), {args.model.path, args.prep, args.labels});
  QL_CHECK_OK(prepare_outputs({{args.output, args.save_stats, args.json, args.html}}, read));
  QL_CHECK_OK(check_combinations(args));
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(OnnxModel file, OnnxModel::read(args.model.path, options.load));
  QL_TRY(Graph inputs, inputs_alone(file));
  const std::shared_ptr<PictureReader> pictures = picture_reader(args.model.path, args.prep);
  QL_TRY(CalibrationSource source, find_calibration(args.calib, inputs, pictures));
  const LoadOptions asked = options.load;
  QL_CHECK_OK(bind_to_sample(file, source, options.load));
  const bool for_any = args.form == "any";
  const LoadForm load = for_any ? LoadForm(load_for_any) : load_quantizable;
  QL_TRY(Graph graph, load(file, options));
  QL_CHECK_OK(refuse_quantized(graph, args.model.path));
  QL_CHECK_OK(check_kept_names(graph, args.keep_f32));
  Rebind rebind = rebinding(file, options, load);
  if (file.is_open()) source.rebind = rebind;
  set_others_apart(graph, source);
  QL_TRY(const std::string others, remark_on_others(graph, source, args));
  QuantPolicy policy;
  policy.parallel = on_usable_processors();
  policy.form = for_any ? QuantForm::for_any : QuantForm::for_quadlane;
  policy.keep_f32.insert(args.keep_f32.begin(), args.keep_f32.end());
  SampleParts parts{source, {}, {}, {}};
  if (args.max_drop) {
    if (source.profile) return invalid_argument("--max-drop measures on inputs, --calib names saved statistics only");
    parts = split_in_three(source, *metric_of(args.metric));
  }
  const bool histograms = !args.html.empty();
  std::optional<Equalized> equalized;
  if (!args.no_equalize) {
    QL_TRY(equalized, equalize(graph, parts.statistics, rebind, args.method, policy, histograms));
    if (file.is_open()) source.rebind = parts.statistics.rebind = rebind;
  }
  if (args.rounding == "adaptive") {
    QL_TRY(policy.moments, input_moments(graph, parts.statistics));
  }
  QL_TRY(RangeChoice choice,
         choose_ranges(graph, parts.statistics, args.method, std::move(policy), histograms, chooses_rounding(args)));
  if (equalized) choice.profile = equalized->after;  // as if the chosen method had been asked for
  if (args.measured_bias) QL_CHECK_OK(correct_biases(graph, parts.statistics.samples, source, choice));
  std::optional<ControlResult> controlled;
  if (args.max_drop) {
    QL_TRY(controlled, control(graph, parts, args, choice));
  }
  const Profile& profile = choice.profile;
  QuantReport report;
  QL_TRY(Graph int8, quantize(graph, op_table(), profile, choice.policy, &report));
  if (equalized) choice.notes.insert(choice.notes.begin(), equalized->notes.begin(), equalized->notes.end());
  if (!others.empty()) choice.notes.push_back(others);
  report.notes.insert(report.notes.end(), choice.notes.begin(), choice.notes.end());
  auto requantize = [&](const Graph& other) { return quantize(other, op_table(), profile, choice.policy); };
  OpenForm open{int8, {}};
  if (file.is_open()) {
    auto form = open_form(file, asked, int8, rebind, requantize);
    if (form.ok())
      open = *std::move(form);
    else
      report.notes.push_back(cat("the file's input shapes are those of the calibration: ", form.error().text()));
  }
  auto prep = pictures->preprocessing();
  if (!prep.ok() && (!args.prep.empty() || exists(prep_file_beside(args.model.path)))) return std::move(prep).error();
  const Profile& seen = equalized ? equalized->before : profile;
  if (!args.save_stats.empty()) QL_CHECK_OK(write_file(args.save_stats, seen.to_text()));
  QL_CHECK_OK(write_model(open.graph, open.dims, profile, prep.ok() ? (*prep)->text : "", args.output));
  QuantizationReport written{args.model.path, args.output, args.form, args.method, {}, args.metric};
  written.rounding = choice.policy.moments ? "adaptive" : "nearest";
  written.samples = profile.samples();
  written.quantized = report;
  if (controlled) written.bound = bound_of(args), written.control = controlled;
  if (!(args.json + args.html).empty() && !source.samples.empty()) {
    std::span<const Sample> shown = controlled ? std::span<const Sample>(parts.held_out) : source.samples;
    QuantizationReport measured = written;
    const Status status = measure(graph, int8, profile, shown.first(std::min(shown.size(), kReportInputs)), source,
                                  *metric_of(args.metric), measured);
    if (status.ok())
      written = std::move(measured);
    else  // the model is good all the same
      written.quantized.notes.push_back(cat("the report has no measured figures: ", status.error().text()));
  }
  return tell(written, choice, args.html, args.json);
}

}  // namespace

Verb add_quantize(CLI::App& root) {
  CLI::App* app = root.add_subcommand("quantize", "Turn an fp32 model into int8 (ONNX QDQ) by calibration");
  auto args = std::make_shared<QuantizeArgs>();
  args->model.add_to(*app);
  app->add_option("--calib", args->calib,
                  "real inputs: folders, tensors (.npy, .pb), images (PNG, JPEG, NIfTI, DICOM); or saved statistics")
      ->required()
      ->take_all();
  app->add_option("--prep", args->prep, "how images become inputs; default: MODEL.prep.json, or what the model says");
  add_output(*app, "-o,--output", args->output, "the .onnx file to write")->required();
  app->add_option("--for", args->form, "quadlane: the most accurate form; any: the form other engines fuse best")
      ->check(CLI::IsMember({"quadlane", "any"}))
      ->capture_default_str();
  app->add_option("--method", args->method, "how ranges are chosen")
      ->check(CLI::IsMember({"minmax", "average", "percentile", "entropy", "mse", "auto"}))
      ->capture_default_str();
  app->add_option("--rounding", args->rounding,
                  "of weights: nearest, adaptive: for a small error of each layer on the calibration inputs, or auto: "
                  "what does better on held-out inputs; default: nearest, with --method auto auto")
      ->check(CLI::IsMember({"nearest", "adaptive", "auto"}));
  app->add_flag("--no-equalize", args->no_equalize,
                "leave channels that share a scale as different as they are: no factors in the weights around them");
  app->add_flag(
      "--measured-bias", args->measured_bias,
      "correct biases by what the int8 network shows on the inputs: layer after layer, then where classes tie");
  app->add_option("--keep-f32", args->keep_f32, "name of a convolution that stays in fp32; repeatable")->take_all();
  app->add_option("--max-drop", args->max_drop,
                  "keep the fewest layers in fp32 with which the metric falls by no more than this")
      ->check(CLI::NonNegativeNumber);
  app->add_option("--metric", args->metric,
                  "what --max-drop measures; sqnr: the noise's share of the power of the output that has most")
      ->check(CLI::IsMember({"dice", "miou", "top1", "map", "sqnr"}))
      ->capture_default_str();
  app->add_option("--labels", args->labels,
                  "a folder with NAME.npy, NAME.png or NAME.nii.gz for every input, or labels.csv; boxes NAME.csv; "
                  "NAME: an input's path below --calib, or the end of it; class -1: any is right; default: fp32 is "
                  "right");
  app->add_option("--max-f32", args->max_f32, "most layers that --max-drop may keep in fp32");
  add_output(*app, "--save-stats", args->save_stats, "write the calibration statistics to this file, for --calib");
  add_output(*app, "--json", args->json, "write what was done to this file");
  add_output(*app, "--html", args->html, "write a report with every layer's figures and the worst cases to this file");
  return {app, [args] { return quantize_model(*args); }};
}

}  // namespace quadlane::tools
