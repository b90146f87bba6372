// LSTM, GRU and RNN of constant weights: one product of all inputs with their weights, then the walk along positions.
#include <limits>

#include "engine/compile/gemm_product.h"
#include "engine/run/dense/recurrent.h"
#include "ops/recurrent.h"

namespace quadlane::compile {
namespace {

using In = RecurrentInput;

// In the order of run::Activation.
constexpr std::string_view kActivations[] = {"Sigmoid",         "Tanh",       "Relu",        "Affine", "LeakyRelu",
                                             "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu",    "Softsign",
                                             "Softplus"};
static_assert(std::size(kActivations) == static_cast<size_t>(kLastOf<run::Activation>) + 1);

run::GateFunction gate_function(const CellActivation& a) {
  const auto at = std::find(std::begin(kActivations), std::end(kActivations), a.name) - std::begin(kActivations);
  return {static_cast<run::Activation>(at), a.alpha, a.beta};
}

class Recurrence {
 public:
  Recurrence(Lowering& l, const Node& node, const Recurrent& r) : l_(l), node_(node), r_(r) {}

  Result<Verdict> lower() {
    for (size_t i : {In::w, In::r, In::b, In::lengths, In::p})
      if (node_.input(i) != kNoValue && !l_.graph.constant(node_.input(i)))
        return declined(cat("input ", i, " is no constant"));
    if (node_.outputs.size() != (r_.cell == Cell::lstm ? 3 : 2)) return declined("the last states are not asked for");
    if (elements(l_.shape(node_.outputs[0])) == 0) return declined("the result is empty");
    const Product p =
        product({r_.positions * r_.batch, r_.inputs}, {r_.directions * r_.gates * r_.hidden, r_.inputs}, false, true);
    const GemmLayout layout{l_.isa, false, p.k, p.n};
    if (auto why = refuse(p, layout)) return declined(*why);
    F32Operands inputs{.y = scratch(l_, static_cast<size_t>(p.m * p.n) * 4)};
    QL_TRY(inputs.a, l_.dense(node_.input(In::x)));
    inputs.b = packed_constant(l_, *l_.graph.constant(node_.input(In::w)), p, layout, 1);
    if (node_.input(In::b) != kNoValue) inputs.c = l_.constant(biases()), inputs.c_column = 1;
    emit_f32_product(l_, node_, p, layout, inputs, cat(node_.op, " inputs"));
    return walk(inputs.y);
  }

 private:
  // A product of the states with the rows [first, first + count) of the recurrent weights.
  struct OfStates {
    Product product;
    GemmLayout layout;
    std::shared_ptr<Packed> weights;
  };

  bool is_split() const { return r_.cell == Cell::gru && !r_.reset_after; }
  bool resets_sum() const { return r_.cell == Cell::gru && r_.reset_after; }

  // Both biases are added to the products of the inputs; not where a reset gate acts on one of them.
  Tensor biases() const {
    const float* b = l_.graph.constant(node_.input(In::b))->as<float>();
    const int64_t rows = r_.gates * r_.hidden, joined = resets_sum() ? 2 * r_.hidden : rows;
    std::vector<float> sums;
    for (int64_t d = 0; d < r_.directions; ++d, b += 2 * rows)
      for (int64_t i = 0; i < rows; ++i) sums.push_back(b[i] + (i < joined ? b[rows + i] : 0.0f));
    return Tensor::from<float>({r_.directions * rows}, sums);
  }
  Tensor reset_bias() const {
    std::vector<float> values(static_cast<size_t>(r_.directions * r_.hidden), 0.0f);
    if (node_.input(In::b) != kNoValue)
      for (int64_t d = 0; d < r_.directions; ++d)
        std::copy_n(l_.graph.constant(node_.input(In::b))->as<float>() + (d * 6 + 5) * r_.hidden, r_.hidden,
                    values.data() + d * r_.hidden);
    return Tensor::from<float>({r_.directions * r_.hidden}, values);
  }

  OfStates of_states(int64_t first_gate, int64_t gates) {
    const int64_t matrix = r_.hidden * r_.hidden, n = gates * r_.hidden;
    const float* all = l_.graph.constant(node_.input(In::r))->as<float>();
    std::vector<float> some;
    for (int64_t d = 0; d < r_.directions; ++d) {
      const float* from = all + (d * r_.gates + first_gate) * matrix;
      some.insert(some.end(), from, from + gates * matrix);
    }
    const Shape shape{r_.directions, n, r_.hidden};
    OfStates s{product({r_.directions, r_.batch, r_.hidden}, shape, false, true), {l_.isa, false, r_.hidden, n}, {}};
    s.weights = packed_constant(l_, Tensor::from<float>(shape, some), s.product, s.layout, 1);
    return s;
  }

  run::RecurrentStep settings() const {
    run::RecurrentStep step;
    step.isa = l_.loops();
    step.cell = static_cast<run::RecurrentCell>(r_.cell);
    step.reverse = r_.reverse, step.batchwise = r_.batchwise;
    step.input_forget = r_.input_forget, step.reset_after = r_.reset_after;
    step.clip = r_.clip;
    step.positions = r_.positions, step.batch = r_.batch, step.hidden = r_.hidden, step.directions = r_.directions;
    for (const CellActivation& a : r_.activations) step.functions.push_back(gate_function(a));
    return step;
  }

  // Initial states, peepholes and lengths; absent ones have no place.
  Result<std::vector<std::optional<DenseRef>>> optional_inputs() {
    std::vector<std::optional<DenseRef>> refs(In::p + 1);
    for (size_t i : {In::lengths, In::h, In::c, In::p})
      if (node_.input(i) != kNoValue) {
        QL_TRY(refs[i], l_.dense(node_.input(i)));
      }
    return refs;
  }

  Result<Verdict> walk(const DenseRef& x) {
    std::vector<OfStates> products{of_states(0, is_split() ? 2 : r_.gates)};
    if (is_split()) products.push_back(of_states(2, 1));
    QL_TRY(auto given, optional_inputs());
    std::optional<DenseRef> reset;
    if (resets_sum()) reset = l_.constant(reset_bias());
    std::vector<DenseRef> out;
    for (ValueId id : node_.outputs) out.push_back(l_.define_dense(id));
    int64_t scratch_row = 3 * r_.hidden;
    for (const OfStates& s : products) scratch_row += s.layout.padded_n();
    const DenseRef room = scratch(l_, static_cast<size_t>(r_.directions * r_.batch * scratch_row) * 4);
    l_.emit([=, &l = l_, &node = node_, r = r_, made = settings()](Emitter& e) -> Status {
      const GemmProblem problem{l.isa, false};
      std::vector<Tiles> tiles;
      for (const OfStates& s : products) {
        QL_TRY(Tiles t, generate_tiles(e, problem, s.product, s.layout));
        tiles.push_back(std::move(t));
      }
      run::StepInfo info = product_info(node, products[0].product, problem, tiles[0].schedule);
      info.gmac = info.gmac_executed = static_cast<double>(r.positions * r.batch * r.directions) *
                                       static_cast<double>(r.gates * r.hidden * r.hidden) * 1e-9;
      info.kernel = cat("recurrence ", info.kernel);
      info.bytes_read = static_cast<int64_t>(x.type.bytes());
      for (const OfStates& s : products) info.bytes_read += s.layout.b_bytes() * r.directions;
      std::vector<BufferId> touched = arena_buffers({&x, &room});
      auto touch = [&](const DenseRef& ref) {
        if (ref.place == Place::arena) touched.push_back(BufferId(ref.index));
      };
      for (const auto& ref : given)
        if (ref) touch(*ref);
      for (const DenseRef& ref : out) touch(ref), info.bytes_written += static_cast<int64_t>(ref.type.bytes());
      e.step(std::move(info), std::move(touched), [=](const Addresses& a) {
        auto step = std::make_unique<run::RecurrentStep>(made);
        step->rows = tiles[0].schedule.rows;
        for (size_t i = 0; i < products.size(); ++i) {
          run::StateProduct p{products[i].layout, tiles[i].schedule.panels, {}, products[i].weights->at(a)};
          for (int rows = 0; rows < 2; ++rows)
            for (int panels = 0; panels < 2; ++panels)
              p.kernels[rows][panels] = a.kernel(tiles[i].kernels[rows][panels]);
          step->products.push_back(p);
        }
        auto place = [&](const std::optional<DenseRef>& ref, bool& has, DenseAddress& at) {
          has = ref.has_value();
          if (ref) at = a.dense(*ref);
        };
        place(given[In::lengths], step->has_lengths, step->lengths);
        place(given[In::h], step->has_h, step->h);
        place(given[In::c], step->has_c, step->c);
        place(given[In::p], step->has_peepholes, step->peepholes);
        if (reset) step->reset_bias = a.dense(*reset);
        step->x = a.dense(x), step->y = a.dense(out[0]), step->last_h = a.dense(out[1]);
        if (out.size() > 2) step->last_c = a.dense(out[2]);
        step->scratch = a.dense(room);
        return step;
      });
      return {};
    });
    return Verdict{};
  }

  Lowering& l_;
  const Node& node_;
  const Recurrent r_;
};

}  // namespace

Result<Verdict> lower_recurrent(Lowering& l, const Node& node) {
  if (l.dtype(node.input(In::x)) != DType::f32)
    return declined(cat("elements of ", to_string(l.dtype(node.input(In::x)))));
  KnownNode known(l, node);
  QL_TRY(Recurrent r, recurrent_of(known.ctx));
  return Recurrence(l, node, r).lower();
}

}  // namespace quadlane::compile
