// Planes and result rows of kernels that read a table of rows: pools and resamples.
#pragma once

#include <cstddef>

#include "jit/kernels/pixel_rows.h"

namespace quadlane {

struct TableRowRegisters {
  const Gp &plane, &table, &src, &dst;
  const Vec& pad;
};

// Calls `row` for each plane, with `src` at its image and `pad` its padding, and in it for each result row, with `dst`
// at the row and `table` at the row's entry.
template <class Args, class Row>
void for_table_rows(Assembler& a, const TableRowRegisters& r, const std::function<void()>& row) {
  using Xbyak::util::ptr;
  a.xor_(r.plane, r.plane);
  for_planes(a, offsetof(Args, planes), [&] {
    a.load_arg(r.src, offsetof(Args, src_planes));
    a.mov(r.src, ptr[r.src + r.plane * 8]);
    a.add(r.src, ptr[a.args() + offsetof(Args, src)]);
    a.load_arg(r.dst, offsetof(Args, dst_pad));
    a.vpbroadcastd(r.pad, ptr[r.dst + r.plane * 4]);
    a.load_arg(r.dst, offsetof(Args, dst_planes));
    a.mov(r.dst, ptr[r.dst + r.plane * 8]);
    a.add(r.dst, ptr[a.args() + offsetof(Args, dst)]);
    a.load_arg(r.table, offsetof(Args, rows));
    Gp count = a.gp("rows");
    a.load_arg(count, offsetof(Args, row_count));
    a.loop(count, [&] {
      row();
      a.add(r.table, sizeof(Row));
      a.add(r.dst, ptr[a.args() + offsetof(Args, dst_row_bytes)]);
    });
    a.inc(r.plane);
  });
}

}  // namespace quadlane
