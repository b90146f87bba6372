#include "tools/compare/contender.h"

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "engine/run/topology.h"
#include "graph/quant/quantize.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/model_prep.h"
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

// A file for another engine, gone with the object.
class TemporaryFile {
 public:
  static Result<std::shared_ptr<TemporaryFile>> make() {
    std::string folder = (std::filesystem::temp_directory_path() / "quadlane-compare-XXXXXX").string();
    if (!mkdtemp(folder.data())) return make_error(Code::io, "cannot make a folder like '", folder, "'");
    auto file = std::make_shared<TemporaryFile>();
    file->folder_ = folder;
    return file;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string path() const { return folder_ + "/any.onnx"; }

 private:
  std::string folder_;
};

struct PeerModel {
  std::string path, detail;
  std::shared_ptr<TemporaryFile> temporary;
};

Result<PeerModel> peer_model(const WorkloadArgs& args, const Workload& w, const std::string& file) {
  if (!file.empty()) return PeerModel{file, std::filesystem::path(file).filename(), nullptr};
  const std::string& path = args.model.path;
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(Graph graph, load_simplified(path, options));
  bool quantized = false;
  for (NodeId id : graph.order()) quantized |= graph.at(id).op == "QuantizeLinear";
  const std::string name = std::filesystem::path(path).filename();
  const bool other_shapes = !args.model.shapes.empty() || !args.model.dims.empty() || args.model.batch > 0;
  auto written = [](const Graph& form, const std::string& detail) -> Result<PeerModel> {
    QL_TRY(auto temporary, TemporaryFile::make());
    QL_CHECK_OK(save_onnx(form, temporary->path()));
    return PeerModel{temporary->path(), detail, temporary};
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

// Everything a peer's run needs, kept by its function.
template <class Session>
struct Ready {
  Session session;
  Lane lane;
  std::shared_ptr<TemporaryFile> temporary;
};

template <class Session, class Load>
Result<Contender> peer_contender(std::string name, const WorkloadArgs& args, const Workload& w, const std::string& file,
                                 Load load) {
  QL_TRY(PeerModel model, peer_model(args, w, file));
  QL_TRY(Lane lane, Lane::make(w.model, w.given, 1));
  Contender c{std::move(name), model.detail};
  const size_t before = measure::resident_memory();
  const Clock::time_point start = Clock::now();
  QL_TRY(Session session, load(model.path));
  c.load_ms = ms_since(start);
  auto ready = std::make_shared<Ready<Session>>(Ready<Session>{std::move(session), std::move(lane), model.temporary});
  QL_CHECK_OK(
      ready->session.bind(w.model.inputs(), ready->lane.inputs, w.model.outputs(), ready->lane.outputs.views()));
  c.run = [ready] { return ready->session.run(); };
  QL_CHECK_OK(run_first(c, ready->lane.outputs));
  c.memory_bytes = static_cast<int64_t>(measure::resident_memory()) - static_cast<int64_t>(before);
  return c;
}

}  // namespace

Result<Contender> our_contender(const Workload& w, double load_ms, int64_t memory_bytes) {
  struct Ready {
    run::Stream stream;
    Lane lane;
  };
  const size_t before = measure::resident_memory();
  run::StreamOptions options{.threads = w.settings.threads};
  if (w.settings.pin)
    options.processors = run::place_streams(run::detect_topology(), 1, w.settings.threads)[0].processors;
  QL_TRY(run::Stream stream, w.model.open_stream(options));
  QL_TRY(Lane lane, Lane::make(w.model, w.given, 1));
  auto ready = std::make_shared<Ready>(Ready{std::move(stream), std::move(lane)});
  Contender c{cat("Quadlane ", QUADLANE_VERSION), w.model.is_int8() ? "int8" : "f32", load_ms};
  c.run = [ready] { return ready->stream.run(views_of(ready->lane.inputs), ready->lane.outputs.views()); };
  QL_CHECK_OK(run_first(c, ready->lane.outputs));
  c.memory_bytes = memory_bytes + static_cast<int64_t>(measure::resident_memory()) - static_cast<int64_t>(before);
  return c;
}

Result<Contender> ort_contender(const peers::Ort& ort, const WorkloadArgs& args, const Workload& w,
                                const std::string& file) {
  return peer_contender<peers::OrtSession>(
      cat("ONNX Runtime ", ort.version()), args, w, file,
      [&](const std::string& path) { return peers::OrtSession::load(ort, path, w.settings.threads); });
}

Result<Contender> openvino_contender(const std::string& library, const WorkloadArgs& args, const Workload& w,
                                     const std::string& file) {
  QL_TRY(peers::OpenVino openvino, peers::OpenVino::open(library));
  return peer_contender<peers::OpenVinoRequest>(
      cat("OpenVINO ", openvino.version()), args, w, file,
      [&](const std::string& path) { return peers::OpenVinoRequest::load(openvino, path, w.settings.threads); });
}

}  // namespace quadlane::tools
