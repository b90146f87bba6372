// The operator groups: each function appends the definitions of one file. table.cc calls all of them.
#pragma once

#include <vector>

#include "graph/op_table.h"

namespace quadlane {

void append_conv_ops(std::vector<OpDef>&);      // Conv, ConvTranspose
void append_pool_ops(std::vector<OpDef>&);      // MaxPool, AveragePool, GlobalAveragePool, MaxUnpool, ...
void append_norm_ops(std::vector<OpDef>&);      // BatchNormalization, LayerNormalization, GroupNormalization, LRN, ...
void append_resize_ops(std::vector<OpDef>&);    // Resize
void append_softmax_ops(std::vector<OpDef>&);   // Softmax, LogSoftmax
void append_matmul_ops(std::vector<OpDef>&);    // Gemm, MatMul
void append_quantize_ops(std::vector<OpDef>&);  // QuantizeLinear, DequantizeLinear
void append_integer_ops(std::vector<OpDef>&);   // DynamicQuantizeLinear, ConvInteger, MatMulInteger

void append_elementwise_ops(std::vector<OpDef>&);  // arithmetic, comparison and activation with broadcasting, Cast
void append_shape_ops(std::vector<OpDef>&);        // Reshape, Transpose, Concat, Slice, Gather, Pad, Shape, ...
void append_reduce_ops(std::vector<OpDef>&);       // ReduceMean, ReduceSum, ArgMax, ...

void append_vision_ops(std::vector<OpDef>&);     // GridSample, RoiAlign, DeformConv, NonMaxSuppression, ...
void append_einsum_ops(std::vector<OpDef>&);     // Einsum
void append_det_ops(std::vector<OpDef>&);        // Det
void append_recurrent_ops(std::vector<OpDef>&);  // LSTM, GRU, RNN

void append_ql_conv_ops(std::vector<OpDef>&);    // ql.Conv, ql.ConvTranspose
void append_ql_matmul_ops(std::vector<OpDef>&);  // ql.MatMul
void append_ql_pixel_ops(std::vector<OpDef>&);   // ql.Quantize, ql.Dequantize, ql.Requantize, ql.Lut, ql.Add, ql.Mul
void append_ql_pool_ops(std::vector<OpDef>&);    // ql.AveragePool, ql.GlobalAveragePool
void append_ql_resize_ops(std::vector<OpDef>&);  // ql.Resize

}  // namespace quadlane
