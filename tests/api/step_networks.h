// Networks whose plans have a step of every kind.
#pragma once

namespace quadlane::testing {

inline constexpr const char* kStepNetworks[] = {
    R"(
graph "planes"
input %x: f32[2,3,9,10]
const %w: f32[5,3,3,3] = random(1)
const %w2: f32[4,5,3,3] = random(2)
const %d: f32[5,1,3,3] = random(3)
const %t: f32[5,3,2,2] = random(4)
const %s: f32[5] = fill(0.5)
const %up: f32[4] = {1,1,2,2}
const %pads: s64[8] = {0,0,1,2,0,0,2,1}
const %from: s64[1] = {1}
const %to: s64[1] = {9}
const %axis: s64[1] = {3}
const %by: s64[1] = {2}
%a = Conv(%x, %w, _) pads=[1,1,1,1]
%b = Conv(%a, %w2, _) strides=[2,2] pads=[1,1,1,1]
%c = Conv(%a, %d, _) group=5 pads=[1,1,1,1]
%e = ConvTranspose(%a, %t, _) strides=[2,2]
%f = InstanceNormalization(%a, %s, %s)
%g = GlobalMaxPool(%f)
%h = GlobalAveragePool(%c)
%i = MaxPool(%a) kernel_shape=[3,3] strides=[2,2]
%k = Resize(%a, _, %up) mode="linear"
%l = ArgMax(%a) axis=1 keepdims=0
%m = Softmax(%a) axis=1
%n = LRN(%a) size=3
%o = Pad(%a, %pads) mode="reflect"
%p = Slice(%o, %from, %to, %axis, %by)
%q = Mul(%a, %c)
%r = Transpose(%c) perm=[0,2,3,1]
output %b
output %e
output %g
output %h
output %i
output %k
output %l
output %m
output %n
output %p
output %q
output %r
)",
    R"(
graph "bytes"
input %x: f32[1,3,9,10]
input %b: u8[1,5,6,7]
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %w: s8[6,3,3,3] = random(1)
const %w2: s8[4,5,3,3] = random(2)
const %ws: f32[] = {0.01}
const %wz: s8[] = {0}
const %v: s8[4,3,3,3] = random(3)
const %up: f32[4] = {1,1,2,2}
const %pads: s64[8] = {0,0,1,2,0,0,2,1}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws, %wz)
%c = Conv(%d, %dw, _) pads=[1,1,1,1]
%r = Relu(%c)
%rq = QuantizeLinear(%r, %s, %z)
%rd = DequantizeLinear(%rq, %s, %z)
%m = MaxPool(%rd) kernel_shape=[2,2] strides=[2,2]
%mq = QuantizeLinear(%m, %s, %z)
%u = Resize(%rd, _, %up) mode="linear"
%uq = QuantizeLinear(%u, %s, %z)
%g = GlobalAveragePool(%rd)
%gq = QuantizeLinear(%g, %s, %z)
%md = DequantizeLinear(%mq, %s, %z)
%gm = GlobalAveragePool(%md)
%bd = DequantizeLinear(%b, %s, %z)
%dw2 = DequantizeLinear(%w2, %ws, %wz)
%k = Conv(%bd, %dw2, _) strides=[2,2]
%kq = QuantizeLinear(%k, %s, %z)
%rf = DequantizeLinear(%rq, %s, %z)
%y, %ys, %yz = DynamicQuantizeLinear(%x)
%i = ConvInteger(%y, %v, %yz) pads=[1,1,1,1] strides=[2,2]
%if = Cast(%i) to=1
%im = Mul(%if, %ys)
output %mq
output %uq
output %gq
output %gm
output %kq
output %rf
output %im
)",
    R"(
graph "dense"
input %x: f32[2,7,12]
input %y: f32[2,12,5]
input %i: s64[3]
input %b: u8[3,40]
input %image: f32[1,2,5,6]
input %places: f32[1,4,5,2]
const %v: f32[12] = random(1)
const %w: f32[7] = fill(0.5)
const %k: s64[1] = {3}
const %one: s64[] = {1}
const %sizes: s64[3] = {2,9,20}
const %m: f32[12,9] = random(2)
const %n: s8[12,9] = random(3)
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %lut: u8[256] = random(4)
const %k0: s64[1] = {1}
%a = Softmax(%x) axis=1
%c = LogSoftmax(%x) axis=2
%d = ReduceMean(%x, %k0) keepdims=0
%e = LayerNormalization(%x, %v, %v)
%f = ArgMax(%x) axis=2
%g, %h = TopK(%x, %k) axis=1
%j = CumSum(%x, %one)
%l = Gather(%x, %i) axis=1
%o = Transpose(%x) perm=[2,0,1]
%p = BatchNormalization(%x, %w, %w, %w, %w)
%q = QuantizeLinear(%x, %s, %z)
%r = DequantizeLinear(%q, %s, %z)
%t = MatMul(%x, %y)
%u = MatMul(%x, %m)
%dq, %ds, %dz = DynamicQuantizeLinear(%x)
%aa = MatMulInteger(%dq, %n, %dz)
%ab = Resize(%x, _, _, %sizes) mode="linear"
%ac = GridSample(%image, %places) padding_mode="reflection"
%ad = ql.Lut(%b, %lut)
%ae = Greater(%x, %v)
%af = Where(%ae, %x, %v)
%dy, %dys, %dyz = DynamicQuantizeLinear(%y)
%ag = MatMulInteger(%dq, %dy, %dz, %dyz)
output %a
output %c
output %d
output %e
output %f
output %g
output %h
output %j
output %l
output %o
output %p
output %r
output %t
output %u
output %aa
output %ag
output %ab
output %ac
output %ad
output %af
)",
    R"(
graph "recurrent"
input %x: f32[4,3,5]
input %h: f32[2,3,6]
input %c: f32[2,3,6]
const %w4: f32[2,24,5] = random(1)
const %r4: f32[2,24,6] = random(2)
const %p: f32[2,18] = random(3)
const %lengths: s32[3] = {4,0,2}
const %w3: f32[1,18,5] = random(4)
const %r3: f32[1,18,6] = random(5)
const %b3: f32[1,36] = random(6)
const %w1: f32[1,6,5] = random(7)
const %r1: f32[1,6,6] = random(8)
%a, %ah, %ac = LSTM(%x, %w4, %r4, _, %lengths, %h, %c, %p) hidden_size=6 direction="bidirectional"
%g, %gh = GRU(%x, %w3, %r3, %b3) hidden_size=6
%l, %lh = GRU(%x, %w3, %r3, %b3) hidden_size=6 linear_before_reset=1 direction="reverse"
%n, %nh = RNN(%x, %w1, %r1) hidden_size=6 activations="Softplus"
output %a
output %ah
output %ac
output %gh
output %l
output %n
)",
    R"(
graph "indices"
input %x: f32[4,3,5]
input %i: s64[4,3,5]
input %j: s64[2,2]
input %k: s64[4]
input %lengths: s32[3]
input %u: f32[2,5]
input %image: f32[1,2,5,6]
input %boxes: f32[2,4]
input %n: s64[2]
input %h: f32[1,2,2,3]
input %hi: s64[1,2,2,3]
input %offset: f32[1,8,4,5]
const %taps: f32[3,2,2,2] = random(6)
const %w: f32[1,6,5] = random(7)
const %r: f32[1,6,6] = random(8)
const %depth: s64[] = {3}
const %values: f32[2] = {0,1}
%a = GatherElements(%x, %i)
%b = GatherND(%x, %j)
%c = ScatterElements(%x, %i, %x)
%d = ScatterND(%x, %j, %u)
%e = ReverseSequence(%x, %k) time_axis=1 batch_axis=0
%f, %fh = RNN(%x, %w, %r, _, %lengths) hidden_size=6
%g = OneHot(%k, %depth, %values)
%l = MaxUnpool(%h, %hi) kernel_shape=[2,2] strides=[2,2]
%m = RoiAlign(%image, %boxes, %n) output_height=2 output_width=2
%o = Hardmax(%x)
%p, %pi = MaxPool(%image) kernel_shape=[2,2] outputs=2
%q = DeformConv(%image, %taps, %offset)
output %p
output %pi
output %q
output %a
output %b
output %c
output %d
output %e
output %f
output %fh
output %g
output %l
output %m
output %o
)",
};

}  // namespace quadlane::testing
