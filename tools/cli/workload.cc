#include "tools/cli/workload.h"

#include "engine/run/topology.h"
#include "tools/cli/inputs.h"
#include "tools/cli/model_prep.h"

namespace quadlane::tools {
namespace {

// Tensors for the model's inputs where --input is given.
Result<std::vector<Tensor>> given_inputs(const WorkloadArgs& args) {
  if (args.inputs.empty()) return std::vector<Tensor>();
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(DynamicModel model, DynamicModel::load(args.model.path, {options}));
  QL_TRY(std::vector<std::string> files, assign_inputs(model.inputs(), args.inputs));
  return read_inputs(model.inputs(), files, *picture_reader(args.model.path, args.precision.prep));
}

}  // namespace

void WorkloadArgs::add_to(CLI::App& app) {
  model.add_to(app);
  precision.add_to(app);
  app.add_option("--input", inputs, "FILE or NAME=FILE, .npy or .pb, for each input; default: random values")
      ->take_all();
  app.add_option("--streams", streams, "requests in flight, or auto")->capture_default_str();
  app.add_option("--threads", threads, "threads for each stream, or auto")->capture_default_str();
  app.add_option("--pin", pin, "bind the threads to cores")->check(CLI::IsMember({"on", "off"}))->capture_default_str();
  app.add_option("--seconds", seconds, "how long to measure")->check(CLI::Range(0.05, 3600.0))->capture_default_str();
}

int64_t Workload::images_per_request() const {
  const Shape& shape = model.inputs().empty() ? Shape{} : model.inputs()[0].type.shape;
  return shape.size() == 4 ? shape[0] : 1;
}

Result<Workload> prepare(const WorkloadArgs& args) {
  StreamSettings settings;
  QL_TRY(settings.streams, parse_count(args.streams, "--streams"));
  QL_TRY(settings.threads, parse_count(args.threads, "--threads"));
  settings.pin = args.pin == "on";
  const run::Topology topology = run::detect_topology();
  settings = resolve(settings, topology.usable_threads());
  for (const std::string& note : topology.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  if (topology.quota > 0)
    std::fprintf(stderr, "note: the control group grants %.3g processors, %d streams of %d threads run\n",
                 topology.quota, settings.streams, settings.threads);
  if (!args.precision.prep.empty() && args.inputs.empty() && args.precision.calib.empty())
    return invalid_argument("--prep '", args.precision.prep,
                            "' says how pictures become inputs: there are none without --input or --calib");
  QL_TRY(std::vector<Tensor> given, given_inputs(args));
  QL_TRY(LoadedModel loaded, load_model(args.model, args.precision, given));
  if (std::string remark = isa_remark(loaded.model); !remark.empty())
    std::fprintf(stderr, "note: %s\n", remark.c_str());
  return Workload{std::move(loaded.model), std::move(given), settings, topology.usable_threads(),
                  loaded.random_calibration};
}

Result<Lane> Lane::make(const Model& model, std::span<const Tensor> given, int seed) {
  Lane lane;
  lane.inputs.assign(given.begin(), given.end());
  for (const run::TensorInfo& info : std::span(model.inputs()).subspan(given.size())) {
    QL_TRY(Tensor tensor, random_tensor(info.type, static_cast<uint64_t>(seed)));
    lane.inputs.push_back(std::move(tensor));
  }
  QL_TRY(lane.outputs, Outputs::allocate(model.outputs()));
  return lane;
}

}  // namespace quadlane::tools
