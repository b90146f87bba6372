#include "engine/run/dense/pick_elements.h"

#include <cstring>

#include "engine/base/guard.h"
#include "engine/base/index.h"

namespace quadlane::run {

// Lines that lie side by side are walked together, row by row of the indices; a line by itself is one such row.
template <class T>
void PickElementsStep::run_as(const RunContext& ctx, int part, int parts) const {
  const auto* src = static_cast<const T*>(from.at(ctx));
  const auto* values = scatters ? static_cast<const T*>(updates.at(ctx)) : nullptr;
  auto* dst = static_cast<T*>(to.at(ctx));
  const void* list = index.at(ctx);
  Share share(outer * inner, part, parts);
  for (int64_t line = share.begin; line < share.end;) {
    const int64_t o = line / inner, c = line % inner, columns = std::min(inner - c, share.end - line);
    const int64_t plane = o * extent * inner + c;
    for (int64_t e = 0; scatters && e < extent; ++e)
      std::memcpy(dst + plane + e * inner, src + plane + e * inner, static_cast<size_t>(columns) * sizeof(T));
    const bool alone = inner == 1;
    for (int64_t p = 0; p < picks; p += alone ? picks : 1)
      for (int64_t i = (o * picks + p) * inner + c, end = i + (alone ? picks : columns), at = plane; i < end;
           ++i, at += !alone) {
        const int64_t given = wide ? static_cast<const int64_t*>(list)[i] : static_cast<const int32_t*>(list)[i];
        if (given < -extent || given >= extent)
          return ctx.keep(*this, part, guarded([&]() -> Status { return bad_index(i, given, extent); }));
        const int64_t element = at + (given < 0 ? given + extent : given) * inner;
        if (scatters)
          dst[element] = values[i];
        else
          dst[i] = src[element];
      }
    line += columns;
  }
}

void PickElementsStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  if (element_bytes == 4)
    run_as<uint32_t>(ctx, part, parts);
  else
    run_as<uint64_t>(ctx, part, parts);
}

}  // namespace quadlane::run
