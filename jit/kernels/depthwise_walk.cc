// From tile to tile: over flattened planes, or from row to row.
#include <cstddef>

#include "jit/kernels/depthwise_kernel.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

void Depthwise::flattened() {
  Gp lanes = a_.gp("lanes");
  a_.load_arg(lanes, offsetof(ConvArgs, dst_pad));
  a_.vpbroadcastd(pad_, a_.ptr[lanes]);
  a_.load_arg(lanes, offsetof(ConvArgs, lanes));
  a_.load_arg(count_, offsetof(ConvArgs, tiles));
  if (a_.registers() == 2) a_.shl(count_, 1);
  a_.xor_(x_, x_);
  a_.loop(count_, [&] {
    tile();
    a_.load_lanes(pixels_, a_.ptr[lanes]);
    a_.blend(acc_[0], pixels_, acc_[0], pad_);
    a_.store(a_.ptr[dst_ + x_], acc_[0]);
    a_.add(x_, a_.vector_bytes());
    a_.add(lanes, a_.lanes() / 8);
  });
}

void Depthwise::rows() {
  const RowShape row{s_.w, 0};
  const int bytes = a_.vector_bytes();
  dst_x_.push_back(a_.gp("x of the result"));
  a_.load_arg(count_, offsetof(OconvArgs, tiles));
  auto next_row = [&](int times) {
    for (int i = 0; i < times; ++i) {
      a_.add(planes_[0], a_.ptr[a_.args() + offsetof(OconvArgs, src_step)]);
      for (Gp* result : {&dst_, s_.residual ? &residual_[0] : nullptr})
        if (result) a_.add(*result, a_.ptr[a_.args() + offsetof(OconvArgs, dst_step)]);
    }
  };
  if (!paired())
    return a_.loop(count_, [&] {
      a_.xor_(x_, x_);
      a_.xor_(dst_x_[0], dst_x_[0]);
      walk_row(a_, row, a_.lanes(), {{x_, s_.step * bytes}, {dst_x_[0], bytes}}, [&](int at) {
        tile();
        store_row(a_, a_.ptr[dst_ + dst_x_[0]], acc_[0], acc_[0], at, row);
      });
      next_row(1);
    });
  // The distances to the second row, 0 where there is none: then both halves make the same pixels.
  a_.load_arg(x_, offsetof(OconvArgs, src_step));
  a_.load_arg(dst_x_[0], offsetof(OconvArgs, dst_step));
  Xbyak::Label top, pair;
  a_.L(top);
  a_.cmp(count_, 1);
  a_.jg(pair);
  a_.xor_(x_, x_);
  a_.xor_(dst_x_[0], dst_x_[0]);
  a_.L(pair);
  tile();
  store_pair();
  next_row(2);
  a_.sub(count_, 2);
  a_.jg(top);
}

void Depthwise::store_pair() {
  const RowShape row{s_.w, 0};
  Vec& second = work_[0];
  a_.vextracti64x4(second.ymm(), acc_[0].zmm(), 1);
  store_row(a_, a_.ptr[dst_], acc_[0], acc_[0], 0, row);
  store_row(a_, a_.ptr[dst_ + dst_x_[0]], second, second, 0, row);
}

}  // namespace quadlane
