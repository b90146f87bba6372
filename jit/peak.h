// The machine's limit, measured: the rate of a loop of multiply-accumulate instructions that touches registers only.
#pragma once

#include "engine/base/cpu.h"
#include "engine/base/status.h"
#include "engine/base/tensor.h"

namespace quadlane {

// Billions of multiply-accumulates a second on one core, best of several short runs (some 10 ms in all).
//   u8   AVX-512 VNNI: vpdpbusd (64 a zmm); AVX2: the faster exact form of jit/kernels/conv_reduction.h,
//        vpmaddubsw + vpmaddwd + vpaddd (32 in three instructions) or vpmaddwd + vpaddd (16 in two)
//   f32  vfmadd231ps (16 a zmm, 8 a ymm)
// Fails on a machine without the instruction set.
Result<double> measure_peak_gmacs(Isa, DType);

}  // namespace quadlane
