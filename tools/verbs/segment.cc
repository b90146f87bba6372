// quadlane segment: a cine exam -> label masks, pictures, volumes.
#include <chrono>
#include <filesystem>
#include <memory>

#include "engine/run/topology.h"
#include "tools/cli/output_files.h"
#include "tools/cli/precision.h"
#include "tools/cli/provenance.h"
#include "tools/heart/montage.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/verbs/segment_report.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

struct SegmentArgs {
  ModelArgs model;
  PrecisionArgs precision;
  std::string input, output, compare, truth, provenance;
  std::string streams = "auto", threads = "1", pin = "off";
};

constexpr int kCalibrationSlices = 24;  // of the exam itself, when an fp32 model is to run in int8 without --calib

Result<LoadedModel> open_model(const SegmentArgs& args, const std::string& path, const std::string& precision,
                               const Exam& exam) {
  ModelArgs model_args = args.model;
  model_args.path = path;
  PrecisionArgs wanted = args.precision;
  wanted.precision = precision;
  wanted.own_samples = [&exam](const std::vector<run::TensorInfo>& inputs) -> Result<std::vector<Tensor>> {
    if (inputs.size() != 1 || inputs[0].type.shape.size() != 4) return std::vector<Tensor>{};
    return prepared_slices(exam, static_cast<int>(inputs[0].type.shape[2]), kCalibrationSlices);
  };
  QL_TRY(LoadedModel loaded, load_model(model_args, wanted));
  QL_CHECK_OK(check_segmentation_model(loaded.model).context(cat("'", path, "'")));
  return loaded;
}

Result<Reading> read_exam_with(const Model& model, const std::string& path, const Exam& exam,
                               const StreamSettings& settings) {
  Reading reading;
  reading.model = path;
  reading.precision = model.is_int8() ? "int8" : "f32";
  reading.isa = to_string(model.isa());
  reading.compile_ms = model.plan().compile_ms;
  QL_TRY(reading.segmentation, segment_exam(exam, model, settings, "segmenting " + reading.precision));
  reading.function = measure(exam, reading.segmentation.labels);
  return reading;
}

// The bytes that an exam's hash is of: the file's or, of a folder of slices, those of the volume they make: header and
// voxels.
Result<std::string> exam_bytes(const Report& report) {
  if (!is_directory(report.input)) return read_file(report.input);
  const NiftiImage& image = report.exam.image;
  std::string bytes(image.header.data(), image.header.size());
  return bytes.append(reinterpret_cast<const char*>(image.voxels.data()), image.voxels.size() * sizeof(float));
}

// Everything needed to tell later what made these masks of what.
Status write_provenance(const std::string& path, nlohmann::ordered_json record, const Report& report) {
  QL_TRY(std::string exam, exam_bytes(report));
  record["inputs"].push_back(hashed_file("exam", report.input, exam));
  auto add_labels = [&](const char* file, const std::vector<uint8_t>& labels) {
    record["outputs"].push_back(
        hashed_file("labels", file, {reinterpret_cast<const char*>(labels.data()), labels.size()}));
  };
  add_labels("masks.nii.gz", report.main.segmentation.labels);
  if (report.other) add_labels("masks_compare.nii.gz", report.other->segmentation.labels);
  return write_json(path, record);
}

Status write_results(const SegmentArgs& args, const Report& report, const nlohmann::ordered_json& made_by) {
  auto in_output = [&](const char* name) { return (std::filesystem::path(args.output) / name).string(); };
  const Exam& exam = report.exam;
  const std::vector<uint8_t>& labels = report.main.segmentation.labels;
  QL_CHECK_OK(write_nifti_labels(in_output("masks.nii.gz"), exam.image, labels));
  QL_CHECK_OK(write_png(in_output("montage.png"), montage(exam, labels, report.main.function)));
  QL_CHECK_OK(write_file(in_output("phases.csv"), phase_csv(report)));
  if (report.other) {
    const std::vector<uint8_t>& other = report.other->segmentation.labels;
    QL_CHECK_OK(write_nifti_labels(in_output("masks_compare.nii.gz"), exam.image, other));
    QL_CHECK_OK(write_png(
        in_output("compare.png"),
        side_by_side(exam, report.main.function, other, report.other->precision, labels, report.main.precision)));
  }
  if (!args.provenance.empty()) QL_CHECK_OK(write_provenance(args.provenance, made_by, report));
  return write_json(in_output("report.json"), summary_json(report));
}

Status segment(const SegmentArgs& args) {
  QL_CHECK_OK(prepare_output_dir(args.output));
  if (!args.provenance.empty()) QL_CHECK_OK(prepare_output_file(args.provenance));
  StreamSettings settings;
  QL_TRY(settings.streams, parse_count(args.streams, "--streams"));
  QL_TRY(settings.threads, parse_count(args.threads, "--threads"));
  settings.pin = args.pin == "on";
  settings = resolve(settings, run::detect_topology().usable_threads());

  QL_TRY(Exam exam, read_exam(args.input));
  for (const std::string& note : exam.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  Report report{exam, args.input, settings, {}, {}, {}};
  if (!args.truth.empty()) {
    QL_TRY(report.truth, read_labels(args.truth, exam));
  }
  QL_TRY(const LoadedModel main, open_model(args, args.model.path, args.precision.precision, exam));
  const Model& model = main.model;
  if (std::string remark = isa_remark(model); !remark.empty()) std::fprintf(stderr, "note: %s\n", remark.c_str());
  QL_TRY(auto made_by, provenance(args.model.path, model, settings, main.calibration));
  QL_TRY(report.main, read_exam_with(model, args.model.path, exam, settings));
  if (!args.compare.empty()) {
    QL_TRY(const LoadedModel other, open_model(args, args.compare, "", exam));
    QL_TRY(made_by["compare"], model_provenance(args.compare, other.model, other.calibration));
    QL_TRY(report.other, read_exam_with(other.model, args.compare, exam, settings));
  }
  QL_CHECK_OK(write_results(args, report, made_by));
  std::fputs(summary_text(report).c_str(), stdout);
  return {};
}

}  // namespace

Verb add_segment(CLI::App& root) {
  CLI::App* app = root.add_subcommand("segment", "Segment a cine heart exam: masks, pictures, volumes");
  auto args = std::make_shared<SegmentArgs>();
  args->model.path = QUADLANE_SHOWCASE;
  args->precision.precision = "int8";
  args->model.add_to(*app, /*positional=*/false);
  args->precision.add_to(*app);
  app->add_option("--input", args->input, "4D NIfTI (.nii, .nii.gz) or a folder of DICOM slices")->required();
  app->add_option("--output", args->output, "folder for masks.nii.gz, montage.png, phases.csv, report.json")
      ->required();
  app->add_option("--compare", args->compare,
                  "a second model, as it is: its masks beside the first one's, in compare.png");
  app->add_option("--truth", args->truth, "NIfTI of true labels: adds Dice");
  app->add_option("--streams", args->streams, "slices in flight, or auto")->capture_default_str();
  app->add_option("--threads", args->threads, "threads for each stream, or auto")->capture_default_str();
  app->add_option("--pin", args->pin, "bind the threads to cores")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  add_output(*app, "--provenance", args->provenance, "write what made the masks (versions, hashes) to this file");
  return {app, [args] { return segment(*args); }};
}

}  // namespace quadlane::tools
