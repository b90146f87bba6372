// What the loss on some inputs says of the loss on others like them.
#pragma once

#include <span>

#include "tools/accuracy/score.h"

namespace quadlane::tools {

struct DropInterval {
  double low = 0, high = 0;
};

// 95 % interval of the drop, from what each input adds to fp32's score and to the network's; of two inputs or more. As
// if they were independent of each other: neighbouring slices of an exam are not, and say less than as many patients.
//
// By bootstrap over the inputs (Efron 1979; percentiles of 1000 resamples of a fixed seed), but of top1, since where no
// answer changed none does in any resample: by Wilson's score interval (1927) of the share that changed where fp32 is
// right by definition, else by Wald's for matched pairs with half a pair added to each of the four cells (Agresti and
// Min, Statistics in Medicine 24, 2005).
DropInterval drop_interval(std::span<const Score> fp32, std::span<const Score> network);

}  // namespace quadlane::tools
