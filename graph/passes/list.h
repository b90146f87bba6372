// The passes, one for each file of this folder; pipeline.cc puts them in order.
#pragma once
#include "graph/passes/pass.h"

namespace quadlane {

// Standard operators to standard operators.
extern const Pass kResolvePads;
extern const Pass kFoldConstants;
extern const Pass kRemoveIdentities;
extern const Pass kMergeIdentical;
extern const Pass kMoveTransposes;
extern const Pass kMergeReshapes;
extern const Pass kClipBeforeQuantize;
extern const Pass kMergeActivations;
extern const Pass kMergeConcats;
extern const Pass kMergePads;
extern const Pass kMergeAffine;
extern const Pass kFoldBatchNorm;
extern const Pass kFoldBatchNormForward;
extern const Pass kHoistPointwise;
extern const Pass kVolumesAsImages;
extern const Pass kChannelShuffle;
extern const Pass kPixelShuffle;
extern const Pass kBlocksConv;
extern const Pass kReduceToPool;
extern const Pass kEinsumAsMatMul;
extern const Pass kFuseHardSwish;
extern const Pass kFuseGelu;
extern const Pass kFuseMish;

// What the engine, and a quantizer for it, want besides.
extern const Pass kUpsampledConv;
extern const Pass kDenseAsConv;  // the quantizer only

// To ql.* operators on floats.
extern const Pass kFoldDequantized;
extern const Pass kFusePreActivation;
extern const Pass kRareAsParts;
extern const Pass kComputedConv;
extern const Pass kLowerConv;
extern const Pass kFuseResidual;
extern const Pass kFuseActivation;
extern const Pass kFuseSwish;
extern const Pass kGroupNorm;

// To ql.* operators on bytes.
extern const Pass kMoveWeights;
extern const Pass kFoldOperands;
extern const Pass kHoistDequantize;
extern const Pass kUnsignedActivations;
extern const Pass kRemoveRequantize;
extern const Pass kIntegerMove;
extern const Pass kIntegerConcat;
extern const Pass kIntegerConv;
extern const Pass kIntegerDynamic;
extern const Pass kIntegerMatMul;
extern const Pass kIntegerPool;
extern const Pass kIntegerResize;
extern const Pass kIntegerArithmetic;
extern const Pass kIntegerAffine;
extern const Pass kIntegerLut;
extern const Pass kIntegerPRelu;
extern const Pass kIntegerEdges;

}  // namespace quadlane
