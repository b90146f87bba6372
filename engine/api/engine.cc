#include "engine/api/engine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "engine/api/plan_model.h"
#include "engine/base/guard.h"
#include "engine/compile/compile.h"
#include "graph/macs.h"
#include "ops/table.h"

namespace quadlane {

Deadline deadline(const ModelOptions& options) {
  if (!(options.max_compile_seconds > 0)) return std::nullopt;
  const auto most = std::chrono::nanoseconds(static_cast<int64_t>(std::min(options.max_compile_seconds, 1e9) * 1e9));
  return std::chrono::steady_clock::now() + most;
}

compile::CompileOptions limits(const ModelOptions& options) {
  compile::CompileOptions limited;
  limited.max_channels = options.max_channels;
  limited.max_pixels = options.max_pixels;
  limited.max_arena_bytes = options.max_arena_bytes;
  limited.deadline = deadline(options);
  return limited;
}

LoadOptions load_options(const ModelOptions& options) {
  LoadOptions load = options.load;
  load.deadline = deadline(options);
  return load;
}

namespace {

PassOptions pass_options(const ModelOptions& options) {
  PassOptions passes;
  passes.disabled = options.disabled_passes;
  passes.after = options.after_pass;
  passes.report = options.pass_report;
  passes.deadline = deadline(options);
  return passes;
}

bool is_quantized(const Graph& graph) {
  for (NodeId id : graph.order())
    for (const char* op :
         {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"})
      if (graph.at(id).op == op) return true;
  return false;
}

}  // namespace

double count_gmac(const Graph& graph) {
  double macs = 0;
  for (NodeId id : graph.order()) macs += macs_of(graph, graph.at(id));
  return macs * 1e-9;
}

Result<Graph> load_simplified(const std::string& path, const ModelOptions& options) {
  QL_TRY(OnnxModel file, OnnxModel::read(path, options.load));
  return load_simplified(file, options);
}

Result<Graph> load_simplified(const OnnxModel& file, const ModelOptions& options) {
  return guarded([&]() -> Result<Graph> {
    QL_TRY(Graph graph, file.bind(op_table(), load_options(options)));
    QL_CHECK_OK(run_passes(graph, op_table(), simplify_passes(), pass_options(options)));
    return graph;
  });
}

Status bring_to_quantizable_form(Graph& graph, const ModelOptions& options) {
  QL_CHECK_OK(run_passes(graph, op_table(), simplify_passes(), pass_options(options)));
  return run_passes(graph, op_table(), quantizable_passes(), pass_options(options));
}

Result<Graph> load_quantizable(const OnnxModel& file, const ModelOptions& options) {
  QL_TRY(Graph graph, file.bind(op_table(), load_options(options)));
  QL_CHECK_OK(bring_to_quantizable_form(graph, options));
  return graph;
}

Status bring_to_final_form(Graph& graph, const ModelOptions& options) {
  const PassOptions passes = pass_options(options);
  QL_CHECK_OK(run_passes(graph, op_table(), simplify_passes(), passes));
  if (is_quantized(graph)) QL_CHECK_OK(run_passes(graph, op_table(), fuse_int8_passes(), passes));
  return run_passes(graph, op_table(), fuse_f32_passes(), passes);
}

Result<Model> Model::load(const std::string& path, const ModelOptions& options) {
  return guarded([&]() -> Result<Model> {
    if (is_plan_file(path)) return load_plan(path, options);
    QL_TRY(Graph graph, load_onnx(path, op_table(), load_options(options)));
    return from_graph(std::move(graph), options);
  });
}

Result<Model> Model::from_graph(Graph graph, const ModelOptions& options) {
  return guarded([&] { return compiled(std::move(graph), options); });
}

Result<Model> Model::compiled(Graph graph, const ModelOptions& options) {
  if (options.self_test) return unsupported("only plan files carry golden outputs, to which a self-test compares");
  const double gmac = count_gmac(graph);
  QL_CHECK_OK(bring_to_final_form(graph, options));
  compile::CompileOptions compile_options = limits(options);
  if (options.isa) {
    if (!compile_options.cpu.runs(*options.isa))
      return unsupported("instruction set '", to_string(*options.isa), "' is asked for, this processor runs ",
                         to_string(compile_options.cpu.best_isa()));
    compile_options.isa = *options.isa;
  }
  compile_options.tune = options.tune;
  compile_options.code_listeners = options.code_listeners;
  compile_options.schedule_filter = options.schedule_filter;
  compile_options.code_filter = options.code_filter;
  compile_options.schedules = options.schedules;
  compile_options.siblings = options.siblings;
  Model model;
  QL_TRY(model.plan_, compile::compile(graph, op_table(), compile_options));
  QL_TRY(model.isa_, parse_isa(model.plan_->isa));
  model.gmac_ = gmac;
  double int8 = 0;
  for (const auto& step : model.plan_->steps)
    if (step->info.int8) int8 += step->info.gmac;
  model.int8_ = int8 > gmac / 2;
  return model;
}

double Model::gmac_executed() const {
  double sum = 0;
  for (const auto& step : plan_->steps) sum += step->info.gmac_executed;
  return sum > 0 ? sum : gmac_;
}

std::string Model::describe_plan() const { return quadlane::describe_plan(*plan_); }

std::string describe_plan(const run::Plan& plan) {
  std::string text = cat("plan: isa ", plan.isa, ", code ", plan.code_method, ", ", plan.steps.size(), " steps, arena ",
                         plan.arena_bytes, " bytes, weights ", plan.weights.size(), " bytes\n");
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const run::StepInfo& s = plan.steps[i]->info;
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "%4zu  %8.4f GMAC  %9lld B read  %9lld B written  ", i, s.gmac,
                  static_cast<long long>(s.bytes_read), static_cast<long long>(s.bytes_written));
    text += cat(numbers, s.op, " '", s.name, "'  ", s.kernel, s.note.empty() ? "" : "  -- ", s.note, "\n");
  }
  return text;
}

}  // namespace quadlane
