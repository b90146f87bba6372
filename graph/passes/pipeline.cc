// The ordered lists of passes and the driver that runs them.
#include <chrono>

#include "graph/passes/list.h"
#include "graph/verify.h"

namespace quadlane {
namespace {

constexpr int kMaxRounds = 16;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Status check_names(const std::set<std::string>& disabled) {
  for (const std::string& name : disabled) {
    bool known = false;
    for (const Pass& pass : all_passes()) known |= pass.name == name;
    if (!known) return invalid_argument("there is no pass named '", name, "'");
  }
  return {};
}

// One pass with what belongs to it: switch, time, count, verification.
Result<int> run_pass(Graph& graph, const OpTable& ops, const Pass& pass, const PassOptions& options, size_t row) {
  if (options.disabled.count(pass.name)) return 0;
  auto start = std::chrono::steady_clock::now();
  auto rewrites = pass.run(graph, ops).context(cat("pass '", pass.name, "'"));
  if (!rewrites.ok()) return rewrites;
  graph.erase_dead();
  if (*rewrites > 0)
    if (Status s = verify(graph, ops); !s.ok())
      return std::move(s).context(cat("after pass '", pass.name, "'")).error();
  if (options.report) {
    (*options.report)[row].rewrites += *rewrites;
    (*options.report)[row].ms += milliseconds_since(start);
  }
  if (options.after) options.after(pass.name, graph);
  return rewrites;
}

}  // namespace

Status run_passes(Graph& graph, const OpTable& ops, std::span<const Pass> passes, const PassOptions& options) {
  QL_CHECK_OK(check_names(options.disabled));
  size_t first_row = options.report ? options.report->size() : 0;
  if (options.report)
    for (const Pass& pass : passes) options.report->push_back({pass.name, 0, 0});
  if (options.after) options.after("load", graph);
  for (int round = 0; round < kMaxRounds; ++round) {
    int changed = 0;
    for (size_t i = 0; i < passes.size(); ++i) {
      if (options.deadline && std::chrono::steady_clock::now() > *options.deadline)
        return make_error(Code::timed_out, "the passes took longer than they may, the next is '", passes[i].name, "'");
      QL_TRY(int rewrites, run_pass(graph, ops, passes[i], options, first_row + i));
      changed += rewrites;
    }
    if (changed == 0) break;
  }
  return {};
}

std::span<const Pass> simplify_passes() {
  static const Pass passes[] = {
      kResolvePads,          kFoldConstants,    kRemoveIdentities, kMergeIdentical, kMoveTransposes, kMergeReshapes,
      kClipBeforeQuantize,   kMergeActivations, kMergeConcats,     kMergePads,      kMergeAffine,    kFoldBatchNorm,
      kFoldBatchNormForward, kHoistPointwise,   kVolumesAsImages,  kChannelShuffle, kPixelShuffle,   kBlocksConv,
      kReduceToPool,         kEinsumAsMatMul,   kFuseHardSwish,    kFuseGelu,       kFuseMish};
  return passes;
}

std::span<const Pass> quantizable_passes() {
  static const Pass passes[] = {kUpsampledConv, kDenseAsConv};
  return passes;
}

std::span<const Pass> fuse_f32_passes() {
  static const Pass passes[] = {kUpsampledConv, kFoldDequantized,   kFuseSwish, kGroupNorm,    kRareAsParts,
                                kComputedConv,  kFusePreActivation, kLowerConv, kFuseResidual, kFuseActivation};
  return passes;
}

std::span<const Pass> fuse_int8_passes() {
  static const Pass passes[] = {
      kMoveWeights,      kFoldOperands,      kHoistDequantize, kUnsignedActivations, kIntegerMove,
      kRemoveRequantize, kIntegerConv,       kIntegerDynamic,  kIntegerMatMul,       kIntegerConcat,
      kIntegerResize,    kIntegerPool,       kIntegerAffine,   kIntegerArithmetic,   kIntegerLut,
      kIntegerPRelu,     kIntegerEdges,      kFoldDequantized, kFuseSwish,           kGroupNorm,
      kRareAsParts,      kFusePreActivation, kLowerConv,       kFuseResidual,        kFuseActivation};
  return passes;
}

std::vector<Pass> all_passes() {
  std::vector<Pass> all;
  for (auto list : {simplify_passes(), quantizable_passes(), fuse_f32_passes(), fuse_int8_passes()})
    for (const Pass& pass : list) {
      bool seen = false;
      for (const Pass& other : all) seen |= std::string_view(other.name) == pass.name;
      if (!seen) all.push_back(pass);
    }
  return all;
}

}  // namespace quadlane
