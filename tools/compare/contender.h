// An engine with a model loaded, ready to be run in turn with others on the same inputs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/cli/workload.h"
#include "tools/compare/temporary_folder.h"
#include "tools/peers/ort.h"

namespace quadlane::tools {

struct Contender {
  std::string name, detail;  // "ONNX Runtime 1.30.0", "any.onnx"
  double load_ms = 0, first_ms = 0;
  int64_t memory_bytes = 0;     // resident memory that loading added
  std::function<Status()> run;  // one request on every stream at once
  std::vector<Tensor> outputs;  // of the first run
  std::vector<double> ms;       // of the timed runs
};

Result<Contender> our_contender(const Workload&, double load_ms, int64_t memory_bytes);

// What another engine is given: the model itself where it runs in the precision asked for; or, of an fp32 model for
// int8, the form that `quantize --for any` writes, in a temporary file that is removed again; or `file`, if it is not
// empty.
struct PeerModel {
  std::string path, detail;
  std::shared_ptr<TemporaryFolder> temporary;
};
Result<PeerModel> peer_model(const WorkloadArgs&, const Workload&, const std::string& file);

// Its graph as the file has it, at the shapes of our inputs.
Result<Graph> peer_graph(const PeerModel&, const Workload&);

Result<Contender> ort_contender(const peers::Ort&, const WorkloadArgs&, const Workload&, const std::string& file = {});

// OpenVINO by its C interface: `library` is a libopenvino_c.so.
Result<Contender> openvino_contender(const std::string& library, const WorkloadArgs&, const Workload&,
                                     const std::string& file = {});

}  // namespace quadlane::tools
