#include "tools/compare/contender.h"

#include <chrono>
#include <cstring>
#include <filesystem>

#include "engine/api/plan_model.h"
#include "graph/quant/quantize.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/model_prep.h"
#include "tools/compare/crew.h"
#include "tools/io/file.h"
#include "tools/measure/machine.h"
#include "tools/peers/openvino.h"

namespace quadlane::tools {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The first run, whose outputs are kept.
Status run_first(Contender& c, const Outputs& outputs) {
  const Clock::time_point start = Clock::now();
  QL_CHECK_OK(c.run());
  c.first_ms = ms_since(start);
  for (size_t i = 0; i < outputs.size(); ++i) {
    QL_TRY(Tensor copy, Tensor::allocate(outputs[i].type()));
    std::memcpy(copy.mutable_data(), outputs[i].data(), copy.type().bytes());
    c.outputs.push_back(std::move(copy));
  }
  return {};
}

}  // namespace

Result<PeerModel> peer_model(const WorkloadArgs& args, const Workload& w, const std::string& file) {
  if (!file.empty() && !exists(file)) return invalid_argument("--peer-model '", file, "' does not exist");
  if (!file.empty()) return PeerModel{file, std::filesystem::path(file).filename(), nullptr};
  const std::string& path = args.model.path;
  if (is_plan_file(path))
    return invalid_argument("'", path, "' is a plan, which no other engine reads: name the .onnx with --peer-model");
  QL_TRY(ModelOptions options, args.model.options());
  const bool open = !args.inputs.empty() && !load_simplified(path, options).ok();  // without the shapes of the inputs
  for (const run::TensorInfo& input : w.model.inputs()) options.load.shapes.try_emplace(input.name, input.type.shape);
  QL_TRY(Graph graph, load_simplified(path, options));
  bool quantized = false;
  for (NodeId id : graph.order()) quantized |= graph.at(id).op == "QuantizeLinear";
  const std::string name = std::filesystem::path(path).filename();
  const bool other_shapes = open || !args.model.shapes.empty() || !args.model.dims.empty() || args.model.batch > 0;
  auto written = [](const Graph& form, const std::string& detail) -> Result<PeerModel> {
    QL_TRY(auto temporary, TemporaryFolder::make());
    QL_CHECK_OK(save_onnx(form, temporary->path("any.onnx")));
    return PeerModel{temporary->path("any.onnx"), detail, temporary};
  };
  if (quantized || !w.model.is_int8())
    return other_shapes ? written(graph, cat(name, " of these shapes")) : PeerModel{path, name, nullptr};
  Profile profile;
  if (args.precision.calib.empty()) {
    QL_TRY(profile, random_profile(graph));
  } else {
    QL_TRY(CalibrationSource source,
           find_calibration(args.precision.calib, graph, picture_reader(path, args.precision.prep)));
    QL_TRY(profile, calibrate(graph, source));
  }
  QuantPolicy policy;
  policy.form = QuantForm::for_any;
  QL_TRY(Graph int8, quantize(graph, op_table(), profile, policy));
  return written(int8, "quantized --for any");
}

Result<Graph> peer_graph(const PeerModel& model, const Workload& w) {
  LoadOptions load;
  for (const run::TensorInfo& input : w.model.inputs()) load.shapes[input.name] = input.type.shape;
  return load_onnx(model.path, op_table(), load);
}

namespace {

// One stream of a peer, kept by its function.
template <class Session>
struct PeerStream {
  Session session;
  Lane lane;
  std::shared_ptr<TemporaryFolder> temporary;
};

// Runs all of them at once; the outputs of the first are kept.
Status set_off(Contender& c, std::vector<Crew::Task> tasks, const Outputs& first) {
  auto crew = std::make_shared<Crew>(std::move(tasks));
  c.run = [crew] { return crew->run(); };
  return run_first(c, first);
}

template <class Session, class Load>
Result<Contender> peer_contender(std::string name, const WorkloadArgs& args, const Workload& w, const std::string& file,
                                 Load load) {
  QL_TRY(PeerModel model, peer_model(args, w, file));
  Contender c{std::move(name), model.detail};
  const size_t before = measure::resident_memory();
  const Clock::time_point start = Clock::now();
  QL_TRY(Session session, load(model.path));
  c.load_ms = ms_since(start);
  std::vector<Crew::Task> tasks;
  const Outputs* first = nullptr;
  for (int i = 0; i < w.settings.streams; ++i) {
    QL_TRY(Session own, session.another());
    QL_TRY(Lane lane, Lane::make(w.model, w.given, i + 1));
    auto stream =
        std::make_shared<PeerStream<Session>>(PeerStream<Session>{std::move(own), std::move(lane), model.temporary});
    QL_CHECK_OK(
        stream->session.bind(w.model.inputs(), stream->lane.inputs, w.model.outputs(), stream->lane.outputs.views()));
    if (!first) first = &stream->lane.outputs;
    tasks.push_back([stream] { return stream->session.run(); });
  }
  QL_CHECK_OK(set_off(c, std::move(tasks), *first));
  c.memory_bytes = static_cast<int64_t>(measure::resident_memory()) - static_cast<int64_t>(before);
  return c;
}

}  // namespace

Result<Contender> our_contender(const Workload& w, double load_ms, int64_t memory_bytes) {
  struct Ready {
    StreamGroup group;
    std::vector<Lane> lanes;
  };
  const size_t before = measure::resident_memory();
  QL_TRY(StreamGroup group, StreamGroup::open(w.model, w.settings));
  auto ready = std::make_shared<Ready>(Ready{std::move(group), {}});
  std::vector<Crew::Task> tasks;
  for (int i = 0; i < w.settings.streams; ++i) {
    QL_TRY(Lane lane, Lane::make(w.model, w.given, i + 1));
    ready->lanes.push_back(std::move(lane));
    tasks.push_back([ready, i] {
      Lane& own = ready->lanes[static_cast<size_t>(i)];
      return ready->group.stream(i).run(views_of(own.inputs), own.outputs.views());
    });
  }
  Contender c{cat("Quadlane ", QUADLANE_VERSION), w.model.is_int8() ? "int8" : "f32", load_ms};
  QL_CHECK_OK(set_off(c, std::move(tasks), ready->lanes[0].outputs));
  c.memory_bytes = memory_bytes + static_cast<int64_t>(measure::resident_memory()) - static_cast<int64_t>(before);
  return c;
}

Result<Contender> ort_contender(const peers::Ort& ort, const WorkloadArgs& args, const Workload& w,
                                const std::string& file) {
  return peer_contender<peers::OrtSession>(
      cat("ONNX Runtime ", ort.version()), args, w, file, [&](const std::string& path) {
        return peers::OrtSession::load(ort, path, w.settings.threads, w.settings.streams);
      });
}

Result<Contender> openvino_contender(const std::string& library, const WorkloadArgs& args, const Workload& w,
                                     const std::string& file) {
  QL_TRY(peers::OpenVino openvino, peers::OpenVino::open(library));
  return peer_contender<peers::OpenVinoRequest>(
      cat("OpenVINO ", openvino.version()), args, w, file, [&](const std::string& path) {
        return peers::OpenVinoRequest::load(openvino, path, w.settings.threads, w.settings.streams);
      });
}

}  // namespace quadlane::tools
