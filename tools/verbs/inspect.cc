// quadlane inspect: what a model is, its graph before and after any pass, and the plan made of it.
#include <map>
#include <memory>
#include <set>

#include "engine/api/plan_model.h"
#include "engine/reference/reference_step.h"
#include "engine/run/plan_signature.h"
#include "graph/tail.h"
#include "graph/text.h"
#include "loader/onnx_model.h"
#include "ops/table.h"
#include "tools/cli/listing.h"
#include "tools/cli/model_args.h"
#include "tools/cli/operators.h"
#include "tools/cli/precision.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

struct InspectArgs {
  ModelArgs model;
  PrecisionArgs precision;
  std::string after, before, layer;
  bool plan = false, passes = false;
};

// Outputs whose shapes depend on data, and how much of the model is behind such shapes.
void print_tail(const Graph& graph) {
  for (const Tail::Output& output : graph.tail->outputs()) {
    std::string type = cat(to_string(output.dtype), "[depends on the data]");
    if (output.graph_output) type = to_string(graph.at(graph.outputs()[*output.graph_output]).type);
    std::printf("output  %s: %s\n", output.name.c_str(), type.c_str());
  }
  std::printf("tail: %zu nodes behind shapes that depend on the data, run by their references\n",
              graph.tail->nodes().size());
}

void print_summary(const Graph& graph) {
  std::printf("graph '%s': %zu nodes, %.4f GMAC\n", graph.name.c_str(), graph.node_count(), count_gmac(graph));
  for (ValueId id : graph.inputs())
    std::printf("input   %s: %s\n", graph.at(id).name.c_str(), to_string(graph.at(id).type).c_str());
  if (!graph.tail)
    for (ValueId id : graph.outputs())
      std::printf("output  %s: %s\n", graph.at(id).name.c_str(), to_string(graph.at(id).type).c_str());
  else
    print_tail(graph);
  std::map<std::string, int> ops;
  std::set<ValueId> constants;
  for (NodeId id : graph.order()) {
    ++ops[graph.at(id).op];
    for (ValueId input : graph.at(id).inputs)
      if (graph.constant(input)) constants.insert(input);
  }
  size_t bytes = 0;
  for (ValueId id : constants) bytes += graph.at(id).type.bytes();
  std::printf("constants: %zu, %.3f MB\n", constants.size(), static_cast<double>(bytes) * 1e-6);
  for (const auto& [op, count] : ops) std::printf("%6d  %s\n", count, op.c_str());
}

// The graph just before and just after the first time a pass changed something (or else ran at all).
struct Snapshots {
  std::string wanted, previous, before, after;
  bool ran = false, changed = false;
  std::vector<PassReport> report;

  int rewrites() const {
    int sum = 0;
    for (const PassReport& row : report)
      if (wanted == row.name) sum += row.rewrites;
    return sum;
  }
  void see(const char* pass, const Graph& graph) {
    bool changes = rewrites() > 0;
    if (wanted == pass && !changed && (!ran || changes)) {
      before = previous.empty() ? print(graph) : previous;
      after = print(graph);
      ran = true;
      changed = changes;
    }
    if (!changed) previous = print(graph);
  }
};

Status known_pass(const std::string& name) {
  if (name == "load") return {};
  std::string names;
  for (const Pass& pass : all_passes()) {
    if (name == pass.name) return {};
    names += cat(" ", pass.name);
  }
  return invalid_argument("no pass is called '", name, "'; known are: load", names);
}

Status print_around(const InspectArgs& args, ModelOptions options) {
  Snapshots seen;
  seen.wanted = args.after.empty() ? args.before : args.after;
  QL_CHECK_OK(known_pass(seen.wanted));
  options.tune = false;
  options.pass_report = &seen.report;
  options.after_pass = [&](const char* pass, const Graph& graph) { seen.see(pass, graph); };
  auto model = Model::load(args.model.path, options);
  if (!seen.ran) {
    if (!model.ok()) return std::move(model).error();
    return invalid_argument("pass '", seen.wanted, "' does not run for this model");
  }
  std::fputs(args.after.empty() ? seen.before.c_str() : seen.after.c_str(), stdout);
  std::fprintf(stderr, "pass '%s' made %d rewrites\n", seen.wanted.c_str(), seen.rewrites());
  return {};
}

Status print_passes(const InspectArgs& args, ModelOptions options) {
  std::vector<PassReport> report;
  options.pass_report = &report;
  options.tune = false;
  QL_TRY(Model model, Model::load(args.model.path, options));
  for (const PassReport& row : report) std::printf("%6d rewrites  %8.2f ms  %s\n", row.rewrites, row.ms, row.name);
  return {};
}

std::string kind_name(uint32_t kind) {
  std::string name(4, ' ');
  for (size_t i = 0; i < 4; ++i) name[i] = static_cast<char>(kind >> (8 * i) & 255);
  return name;
}

// A plan file as it says of itself; nothing of it runs, its code is not even mapped executable.
Status inspect_plan_file(const InspectArgs& args) {
  if (!args.after.empty() || !args.before.empty() || args.passes)
    return invalid_argument("'", args.model.path, "' is a plan: its passes ran when it was compiled");
  run::PlanOpenOptions options;
  options.map_code = false;
  QL_TRY(run::PlanFile file, run::PlanFile::open(args.model.path, options));
  const run::PlanInfo& info = file.info();
  std::printf("plan file, format %d.%d, written by %s, kernel convention %u\n", run::kPlanMajor, run::kPlanMinor,
              info.engine_version.c_str(), info.kernel_abi);
  std::printf("sha256       %s\nmodel        %s, sha256 %s\n", file.sha256().c_str(), info.model_name.c_str(),
              info.model_sha256.c_str());
  if (const auto signer = file.signer())
    std::printf("signed by    %s%s\n", run::key_hex(signer->key).c_str(),
                signer->genuine ? "" : ": THE SIGNATURE IS WRONG");
  if (!info.calibration_sha256.empty()) std::printf("calibration  sha256 %s\n", info.calibration_sha256.c_str());
  std::printf("precision    %s, %.4f GMAC, %.4f executed\n", info.int8 ? "int8" : "f32", info.gmac, info.gmac_executed);
  for (const run::Section& s : file.sections())
    std::printf("section      %s  variant %u  %10llu bytes at %llu\n", kind_name(s.kind).c_str(), s.variant,
                static_cast<unsigned long long>(s.bytes), static_cast<unsigned long long>(s.offset));
  const ReferenceCodec codec(op_table());
  for (const run::PlanFile::Variant& variant : file.variants()) {
    QL_TRY(auto plan, file.load(variant, Isa::avx512_vnni, &codec));
    std::printf("%s: %zu steps, %zu kernels %s, arena %zu bytes, weights %zu bytes\n", to_string(variant.isa),
                plan->steps.size(), plan->kernels.size(), variant.code ? "with code" : "without code",
                plan->arena_bytes, plan->weights.size());
    for (const run::TensorInfo& i : plan->inputs)
      std::printf("input   %s: %s\n", i.name.c_str(), to_string(i.type).c_str());
    for (const run::TensorInfo& i : plan->outputs)
      std::printf("output  %s: %s\n", i.name.c_str(), to_string(i.type).c_str());
    if (args.plan) std::fputs(describe_plan(*plan).c_str(), stdout);
  }
  return {};
}

Status inspect(const InspectArgs& args) {
  if (is_plan_file(args.model.path) && args.layer.empty()) return inspect_plan_file(args);
  if (!args.precision.precision.empty() && !args.plan && args.layer.empty())
    return invalid_argument("--precision says what --plan and --asm show; the graph is that of the file");
  QL_TRY(ModelOptions options, args.model.options());
  if (!args.after.empty() || !args.before.empty()) return print_around(args, std::move(options));
  if (args.passes) return print_passes(args, std::move(options));
  if (args.plan || !args.layer.empty()) {
    QL_TRY(LoadedModel loaded, load_model(args.model, args.precision));
    const Model& model = loaded.model;
    if (args.plan) {
      std::string remark = isa_remark(model);
      if (!remark.empty()) std::fprintf(stderr, "%s\n", remark.c_str());
      std::fputs(model.describe_plan().c_str(), stdout);
    }
    return args.layer.empty() ? Status() : print_listing(model, args.layer);
  }
  QL_TRY(OnnxModel file, OnnxModel::read(args.model.path, options.load));
  QL_TRY(Graph graph, file.bind(op_table(), options.load));
  print_summary(graph);
  for (const std::string& text : file.contradictions(graph)) std::printf("note: %s\n", text.c_str());
  return {};
}

}  // namespace

Verb add_inspect(CLI::App& root) {
  CLI::App* app = root.add_subcommand("inspect", "Show a model, its graph around a pass, or its plan");
  auto args = std::make_shared<InspectArgs>();
  args->model.add_to(*app);
  args->precision.add_to(*app);
  app->add_flag_callback(
      "--operators",
      [] {
        std::fputs(operator_table().c_str(), stdout);
        throw CLI::Success();
      },
      "print the table of operators (ops/OPERATORS.md); needs no MODEL");
  auto* after = app->add_option("--after", args->after, "print the graph after this pass ('load': as the file has it)");
  app->add_option("--before", args->before, "print the graph as this pass finds it")->excludes(after);
  app->add_flag("--passes", args->passes, "list the passes with their rewrites and times");
  app->add_flag("--plan", args->plan, "print the steps with their kernels");
  app->add_option("--asm", args->layer, "list the machine code of this step (a name --plan shows)");
  return {app, [args] { return inspect(*args); }};
}

}  // namespace quadlane::tools
