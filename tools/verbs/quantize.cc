// quadlane quantize: fp32 ONNX and real inputs -> int8 ONNX in QDQ form.
#include "graph/quant/quantize.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "engine/base/sha256.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/model_args.h"
#include "tools/cli/model_prep.h"
#include "tools/cli/open_shapes.h"
#include "tools/cli/range_choice.h"
#include "tools/io/file.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

struct QuantizeArgs {
  ModelArgs model;
  std::vector<std::string> calib, keep_f32;
  std::string output, prep, form = "quadlane", method = "minmax", save_stats, json;
};

Status check_outputs(const QuantizeArgs& args) {
  for (const std::string& path : {args.output, args.save_stats, args.json})
    if (!path.empty()) QL_CHECK_OK(prepare_output_file(path));
  return {};
}

Status refuse_quantized(const Graph& graph, const std::string& path) {
  for (NodeId id : graph.order())
    if (graph.at(id).op == "QuantizeLinear" || graph.at(id).op == "DequantizeLinear")
      return invalid_argument("'", path, "' is quantized already: node '", graph.at(id).name, "' is a ",
                              graph.at(id).op);
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

nlohmann::ordered_json describe(const RangeChoice& choice) {
  nlohmann::ordered_json single, values = nlohmann::ordered_json::object();
  for (const auto& [method, db] : choice.report.single) single[std::string(to_string(method))] = db;
  for (const auto& [name, method] : choice.policy.value_methods) values[name] = to_string(method);
  return {{"measured_on", choice.measured_on},
          {"sqnr_db", choice.report.sqnr_db},
          {"single_sqnr_db", single},
          {"base", to_string(choice.report.base)},
          {"values", values},
          {"trials", choice.report.trials}};
}

void print(const RangeChoice& choice) {
  std::printf("SQNR at the outputs, %zu held-out inputs:", choice.measured_on);
  for (const auto& [method, db] : choice.report.single)
    std::printf(" %s %.2f dB,", std::string(to_string(method)).c_str(), db);
  std::printf(" auto %.2f dB (%s, %zu values otherwise)\n", choice.report.sqnr_db,
              std::string(to_string(choice.report.base)).c_str(), choice.policy.value_methods.size());
}

Status quantize_model(const QuantizeArgs& args) {
  QL_CHECK_OK(check_outputs(args));
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(OnnxModel file, OnnxModel::read(args.model.path, options.load));
  QL_TRY(Graph inputs, inputs_alone(file));
  const std::shared_ptr<PictureReader> pictures = picture_reader(args.model.path, args.prep);
  QL_TRY(CalibrationSource source, find_calibration(args.calib, inputs, pictures));
  const LoadOptions asked = options.load;
  QL_CHECK_OK(bind_to_sample(file, source, options.load));
  QL_TRY(Graph graph, load_simplified(file, options));
  QL_CHECK_OK(refuse_quantized(graph, args.model.path));
  const Rebind rebind = rebinding(file, options);
  if (file.is_open()) source.rebind = rebind;
  QuantPolicy policy;
  policy.form = args.form == "any" ? QuantForm::for_any : QuantForm::for_quadlane;
  policy.keep_f32.insert(args.keep_f32.begin(), args.keep_f32.end());
  QL_TRY(RangeChoice choice, choose_ranges(graph, source, args.method, std::move(policy)));
  const Profile& profile = choice.profile;
  QuantReport report;
  QL_TRY(Graph int8, quantize(graph, op_table(), profile, choice.policy, &report));
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
  if (!args.save_stats.empty()) QL_CHECK_OK(write_file(args.save_stats, profile.to_text()));
  QL_CHECK_OK(write_model(open.graph, open.dims, profile, prep.ok() ? (*prep)->text : "", args.output));
  if (!args.json.empty()) {
    nlohmann::ordered_json json = {
        {"model", args.model.path},      {"output", args.output},        {"form", args.form},
        {"method", args.method},         {"samples", profile.samples()}, {"convolutions", report.convs},
        {"quantized", report.quantized}, {"notes", report.notes}};
    if (choice.measured_on) json["auto"] = describe(choice);
    QL_CHECK_OK(write_file(args.json, json.dump(1) + "\n"));
  }
  std::printf("%s: %d of %d convolutions in int8, calibrated on %lld inputs\n", args.output.c_str(), report.quantized,
              report.convs, static_cast<long long>(profile.samples()));
  if (choice.measured_on) print(choice);
  for (const std::string& note : report.notes) std::printf("note: %s\n", note.c_str());
  return {};
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
  app->add_option("-o,--output", args->output, "the .onnx file to write")->required();
  app->add_option("--for", args->form, "quadlane: the most accurate form; any: the form other engines fuse best")
      ->check(CLI::IsMember({"quadlane", "any"}))
      ->capture_default_str();
  app->add_option("--method", args->method, "how ranges are chosen")
      ->check(CLI::IsMember({"minmax", "average", "percentile", "entropy", "mse", "auto"}))
      ->capture_default_str();
  app->add_option("--keep-f32", args->keep_f32, "name of a convolution that stays in fp32; repeatable")->take_all();
  app->add_option("--save-stats", args->save_stats, "write the calibration statistics to this file, for --calib");
  app->add_option("--json", args->json, "write what was done to this file");
  return {app, [args] { return quantize_model(*args); }};
}

}  // namespace quadlane::tools
