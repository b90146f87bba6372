// The C++ API: a model file or graph becomes a compiled Model; Streams run it.
//
//   auto model = Model::load("unet.qdq.onnx", {});
//   auto stream = model->open_stream({.threads = 1});
//   stream->run(inputs, outputs);            // dense NCHW tensors of the types model->inputs() and outputs() name
//
// A Model is immutable and shared by its streams (which keep it alive). A Stream runs one request at a time; open one
// for each request that shall run at the same time. Nothing here throws, prints or reads the environment.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/base/cpu.h"
#include "engine/compile/conv_tuner.h"
#include "engine/run/plan_file.h"
#include "engine/run/stream.h"
#include "graph/passes/pass.h"
#include "jit/code_listener.h"
#include "loader/onnx_model.h"

namespace quadlane {

struct ModelOptions {
  std::optional<Isa> isa;  // the best the machine runs, or this one when the machine runs it
  bool self_test = false;  // of a plan file: refuse it unless its golden input gives the golden outputs here
  bool tune = true;        // choose schedules by timing them; false: by the model alone
  std::set<std::string> disabled_passes;
  std::vector<std::shared_ptr<CodeListener>> code_listeners;  // profilers, told where each kernel lies
  compile::ScheduleFilter schedule_filter;                    // for experiments with the tiling of convolutions
  // For experiments: sees each kernel before anything calls it, and may change it.
  std::function<void(MachineCode&)> code_filter;
  // Schedules that earlier compilations chose by timing; this one takes them and adds its own. One compilation at a
  // time.
  std::shared_ptr<compile::ScheduleBook> schedules;
  LoadOptions load;                           // shapes of symbolic dimensions, limits
  size_t max_arena_bytes = size_t{16} << 30;  // activations of one stream; a model that needs more is refused
  int64_t max_channels = 1 << 16;             // of a value of rank 4
  int64_t max_pixels = int64_t{1} << 28;      // of one channel of it
  // For importing, for the passes, and for compiling, each anew; looked at between nodes; 0: no limit.
  double max_compile_seconds = 0;
  // Plans of the same network at other shapes: where the packed weights come out equal, they are shared with one of
  // them.
  std::vector<std::shared_ptr<const run::Plan>> siblings;
  // Called with "load" and then after every pass that ran.
  std::function<void(const char* pass, const Graph&)> after_pass;
  std::vector<PassReport>* pass_report = nullptr;
};

class Model {
 public:
  // An .onnx file, fp32 or quantized (QDQ), or a plan file.
  static Result<Model> load(const std::string& path, const ModelOptions& = {});
  // A graph of standard operators, as load_onnx or quantize give it.
  static Result<Model> from_graph(Graph graph, const ModelOptions& = {});
  // A plan file: its code where it has some for this processor, else code generated from its graph.
  static Result<Model> load_plan(const std::string& path, const ModelOptions& = {}, const run::PlanOpenOptions& = {});

  const std::vector<run::TensorInfo>& inputs() const { return plan_->inputs; }
  const std::vector<run::TensorInfo>& outputs() const { return plan_->outputs; }
  const run::Plan& plan() const { return *plan_; }
  const std::shared_ptr<const run::Plan>& shared_plan() const { return plan_; }
  Isa isa() const { return isa_; }
  // True when most multiply-accumulates run in int8.
  bool is_int8() const { return int8_; }
  // MACs of Conv, ConvTranspose, Gemm, MatMul and recurrent layers in the original graph, in units of 1e9.
  double gmac() const { return gmac_; }
  // The same after rewrites; what the kernels do, padding lanes not counted.
  double gmac_executed() const;
  // From the call of load_plan to a plan that is ready to run; 0 for other models, see Plan::compile_ms.
  double open_ms() const { return open_ms_; }
  // One line for each step: kernel, sizes, and why copies and fallbacks exist.
  std::string describe_plan() const;

  Result<run::Stream> open_stream(const run::StreamOptions& options = {}) const {
    return run::Stream::open(plan_, options);
  }

 private:
  static Result<Model> compiled(Graph graph, const ModelOptions&);
  static Result<Model> opened(const std::string& path, const ModelOptions&, const run::PlanOpenOptions&);
  std::shared_ptr<const run::Plan> plan_;
  Isa isa_ = Isa::reference;
  bool int8_ = false;
  double gmac_ = 0, open_ms_ = 0;
};

std::string describe_plan(const run::Plan&);

// The graph after loading and the simplify passes.
Result<Graph> load_simplified(const std::string& path, const ModelOptions& = {});
Result<Graph> load_simplified(const OnnxModel&, const ModelOptions& = {});
// The same with fully connected layers as convolutions: what calibration and quantization work on.
Result<Graph> load_quantizable(const OnnxModel&, const ModelOptions& = {});
Status bring_to_quantizable_form(Graph&, const ModelOptions&);
// When what begins now must have ended, where a limit is set.
Deadline deadline(const ModelOptions&);
// options.load with that deadline.
LoadOptions load_options(const ModelOptions&);
// The passes that a graph of standard operators goes through before it is compiled.
Status bring_to_final_form(Graph&, const ModelOptions&);
// MACs of Conv, ConvTranspose, Gemm, MatMul and recurrent layers in a graph of standard operators, in units of 1e9;
// zeros inserted by a transposed convolution are not counted.
double count_gmac(const Graph&);

}  // namespace quadlane
