#include "engine/compile/moves.h"

#include <algorithm>

namespace quadlane::compile {

void emit_moves(Lowering& l, run::StepInfo info, const PlanarValue& from, const PlanarValue& to, Moves moves,
                const char* why) {
  info.note = why;
  l.emit([=, &l](Emitter& e) -> Status {
    run::StepInfo step = info;
    step.kernel = "copy rows";
    step.bytes_written = e.pixel_bytes(to);
    step.bytes_read = std::min(e.pixel_bytes(from), step.bytes_written);  // a pad reads less, a crop not all
    e.step(std::move(step), buffers_of({&from, &to}), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::MoveStep>();
      s->src = l.layouts.geometry(from.layout);
      s->src_planes = a.planes(from);
      s->table = moves.table;
      s->tables = moves.tables;
      s->fill = moves.fill;
      s->dst = {l.layouts.geometry(to.layout), a.planes(to), a.pads(to)};
      return s;
    });
    return {};
  });
}

}  // namespace quadlane::compile
