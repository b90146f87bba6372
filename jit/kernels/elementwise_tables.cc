// Tables of bytes: table[x], one for all channels or one for each.
#include <algorithm>
#include <functional>
#include <optional>

#include "jit/kernels/elementwise_bodies.h"
#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

// The tables of a plane's four channels.
void load_tables(Assembler& a, const Gp& to, const Gp& index) {
  a.imul(to, index, 4 * 256);
  a.add(to, a.ptr[a.args() + offsetof(ElementwiseArgs, params)]);
}

// table[x] by sixteen byte shuffles of 16 entries each. A shuffle gives 0 where its index is negative and uses the low
// four bits otherwise; with the index lowered by 16 from chunk to chunk, all chunks up to the right one answer, and
// since chunk c holds t[c] ^ t[c - 1], their exclusive or is the right entry. The two halves of the table run alone:
// the other half's bytes are negative throughout because the subtraction saturates.
class Lut : public ElementwiseBody {
 public:
  explicit Lut(Assembler& a) : a_(a), table_(a.gp("table")), sixteen_(a.vec("sixteen")) {}
  void load_constants() override {
    a_.load_arg(table_, offsetof(ElementwiseArgs, params));
    a_.vpbroadcastd(sixteen_, a_.constant_dword(0x10101010));
  }
  void compute(const Vec& value, const Vec&) override {
    Vec result = a_.vec("result");
    look_up(value, result, true, nullptr,
            [&](const Vec& entry, int c) { broadcast_channels(a_, entry, a_.ptr[table_ + 16 * c]); });
    a_.copy(value, result);
  }

 protected:
  // result = the entries, or result ^= the entries; `index` is lost. Bytes under `others`, negative in both halves,
  // give 0.
  void look_up(const Vec& index, const Vec& result, bool first, const Xbyak::Address* others,
               const std::function<void(const Vec&, int)>& load) {
    Vec upper = a_.vec("upper index"), entry = a_.vec("entry");
    a_.bit_xor(upper, index, a_.constant_lanes(0x80808080));
    if (others)
      for (const Vec* half : {static_cast<const Vec*>(&upper), &index}) a_.bit_or(*half, *half, *others);
    for (int c = 0; c < 16; ++c) {
      const Vec& at = c < 8 ? index : upper;
      if (c % 8 != 0) a_.vpsubsb(at, at, sixteen_);
      load(entry, c);
      a_.vpshufb(first && c == 0 ? result : entry, entry, at);
      if (!first || c > 0) a_.bit_xor(result, result, entry);
    }
  }

  Assembler& a_;
  Gp table_;
  Vec sixteen_;
};

// A table for each channel: shuffles take a table for each 128-bit lane, so the channels' bytes are brought together,
// those of channel j in lane j (AVX-512), or of channels 0, 1 | 2, 3 (AVX2, which looks up one of either pair at a
// time).
class LutChannels final : public Lut {
 public:
  explicit LutChannels(Assembler& a)
      : Lut(a), order_(a.vec("channels to lanes")), back_(a.vecs("and back", a.avx512() ? 0 : 1)) {}
  void load_constants() override {
    Lut::load_constants();
    if (a_.avx512()) return a_.load(order_, a_.constant_vector({0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}));
    a_.load(order_, a_.constant_vector({0, 4, 1, 5, 2, 6, 3, 7}));
    a_.load(back_[0], a_.constant_vector({0, 2, 4, 6, 1, 3, 5, 7}));
  }
  void load_plane(const Gp& index, const Gp&) override { load_tables(a_, table_, index); }
  void compute(const Vec& value, const Vec&) override {
    const Xbyak::Address by_channel = a_.constant_vector({0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703});
    Vec result = a_.vec("result"), index = a_.vec("index");
    a_.vpshufb(value, value, by_channel);
    permute(value, order_, value);
    const int parts = a_.avx512() ? 1 : 2;
    for (int part = 0; part < parts; ++part) {
      a_.copy(index, value);
      const uint32_t first = part == 1 ? 0x80808080 : 0, second = 0x80808080 ^ first;
      const Xbyak::Address others = a_.constant_vector({first, first, second, second});  // the lane's other channel
      look_up(index, result, part == 0, parts == 2 ? &others : nullptr,
              [&](const Vec& entry, int c) { a_.load(entry, a_.ptr[table_ + 64 * c + 32 * part]); });
    }
    permute(value, back_.empty() ? order_ : back_[0], result);
    a_.vpshufb(value, value, by_channel);
  }

 private:
  void permute(const Vec& to, const Vec& order, const Vec& from) {
    a_.avx512() ? a_.vpermd(to.zmm(), order.zmm(), from.zmm()) : a_.vpermd(to.ymm(), order.ymm(), from.ymm());
  }

  Vec order_;
  std::vector<Vec> back_;  // AVX-512: the same
};

class LutVbmi final : public ElementwiseBody {
 public:
  explicit LutVbmi(Assembler& a) : a_(a) {}
  void load_constants() override {
    Gp at = a_.gp("table");
    a_.load_arg(at, offsetof(ElementwiseArgs, params));
    lookup_.emplace(a_, at + 0);
  }
  void compute(const Vec& value, const Vec&) override {
    Vec temp = a_.vec("lower half"), temp2 = a_.vec("upper half");
    lookup_->apply(value, temp, temp2);
  }

 private:
  Assembler& a_;
  std::optional<ByteLookup> lookup_;
};

// A table for each channel: each permutation changes its channel's bytes alone, the others stay what they are.
class LutChannelsVbmi final : public ElementwiseBody {
 public:
  explicit LutChannelsVbmi(Assembler& a) : a_(a) {}
  void load_constants() override {
    table_ = a_.vecs("table", 16);  // not before: pixels want one of the first 16 registers where few are stored
    Gp bytes = a_.gp("bytes of a channel");
    for (int j = 0; j < 4; ++j) {
      channel_.push_back(a_.mask("bytes of a channel"));
      a_.mov(bytes, uint64_t{0x1111111111111111} << j);
      a_.kmovq(channel_.back().k(), bytes);
    }
  }
  void load_plane(const Gp& index, const Gp&) override {
    Gp at = a_.gp("tables");
    load_tables(a_, at, index);
    for (size_t i = 0; i < table_.size(); ++i) a_.load(table_[i], a_.ptr[at + 64 * i]);
  }
  void compute(const Vec& value, const Vec&) override {
    Vec lower = a_.vec("lower half");
    Mask high = a_.mask("highest bits");
    a_.vpmovb2m(high.k(), value);
    a_.copy(lower, value);
    for (size_t j = 0; j < 4; ++j) {
      a_.vpermi2b(lower | channel_[j].k(), table_[4 * j], table_[4 * j + 1]);
      a_.vpermi2b(value | channel_[j].k(), table_[4 * j + 2], table_[4 * j + 3]);
    }
    a_.vpblendmb(value | high.k(), lower, value);
  }

 private:
  Assembler& a_;
  std::vector<Vec> table_;
  std::vector<Mask> channel_;
};

}  // namespace

std::unique_ptr<ElementwiseBody> make_table_body(Assembler& a, ElementwiseOp op) {
  switch (op) {
    case ElementwiseOp::lut_vbmi: return std::make_unique<LutVbmi>(a);
    case ElementwiseOp::lut_channels: return std::make_unique<LutChannels>(a);
    case ElementwiseOp::lut_channels_vbmi: return std::make_unique<LutChannelsVbmi>(a);
    default: return std::make_unique<Lut>(a);
  }
}

std::array<uint8_t, 256> pack_lut(std::span<const uint8_t, 256> table) {
  std::array<uint8_t, 256> packed;
  for (size_t i = 0; i < packed.size(); ++i) {
    bool first_chunk = i % 128 < 16;  // of its half
    packed[i] = static_cast<uint8_t>(first_chunk ? table[i] : table[i] ^ table[i - 16]);
  }
  return packed;
}

std::array<uint8_t, 1024> pack_luts(const std::array<std::span<const uint8_t, 256>, 4>& tables, Isa isa) {
  // The channels of a chunk in the order of the lanes that look them up.
  const std::array<size_t, 4> order =
      has_avx512(isa) ? std::array<size_t, 4>{0, 1, 2, 3} : std::array<size_t, 4>{0, 2, 1, 3};
  std::array<uint8_t, 1024> packed;
  for (size_t i = 0; i < 4; ++i) {
    const std::array<uint8_t, 256> table = pack_lut(tables[order[i]]);
    for (size_t c = 0; c < 16; ++c) std::copy_n(table.data() + 16 * c, 16, packed.data() + 64 * c + 16 * i);
  }
  return packed;
}

}  // namespace quadlane
