"""What a model's description may name: the parts of Keras that a model is made of, and that do nothing but compute.

The list was read name by name, for Keras 3.15.1. What it leaves out reads files, loads graphs, fetches, changes how
Keras runs, brings code of its own, or is no part of any model. `tests/keras_files/safety/test_allowed.py` holds it
against the installed Keras, so that a name which comes with a new version is read by a person before it is let in.
"""

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import keras
from keras.src.api_export import get_symbol_from_name

# By the name under which Keras's own files have them, and by module for what Keras does not export.
NAMES = {
    space: frozenset(names.split())
    for space, names in {
        "keras": """
            DTypePolicy FloatDTypePolicy Layer Model Sequential
        """,
        "keras._legacy.layers": """
            AlphaDropout RandomHeight RandomWidth ThresholdedReLU
        """,
        "keras.src.models.functional": """
            Functional
        """,
        "keras.activations": """
            celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear
            log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign
            sparse_plus sparse_sigmoid sparsemax squareplus tanh tanh_shrink threshold
        """,
        "keras.constraints": """
            MaxNorm MinMaxNorm NonNeg UnitNorm
        """,
        "keras.dtype_policies": """
            AWQDTypePolicy DTypePolicyMap GPTQDTypePolicy Int4DTypePolicy QuantizedDTypePolicy
            QuantizedFloat8DTypePolicy
        """,
        "keras.initializers": """
            Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones
            Orthogonal RandomNormal RandomUniform STFT TruncatedNormal VarianceScaling Zeros
        """,
        "keras.layers": """
            Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
            AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
            AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
            AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
            ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
            Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D CutMix Dense
            DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization
            Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
            GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
            GroupQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell
            LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes MaxPooling1D MaxPooling2D MaxPooling3D Maximum
            MelSpectrogram Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline
            RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
            RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur
            RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
            RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector Rescaling
            Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN
            SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
            SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization TimeDistributed
            UnitNormalization UpSampling1D UpSampling2D UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D
            ZeroPadding3D
        """,
        "keras.losses": """
            BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy CategoricalFocalCrossentropy
            CategoricalGeneralizedCrossEntropy CategoricalHinge Circle CosineSimilarity Dice Hinge Huber
            KLDivergence LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
            MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy SquaredHinge Tversky
            categorical_generalized_cross_entropy circle cosine_similarity ctc dice huber log_cosh tversky
        """,
        "keras.metrics": """
            AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy CategoricalCrossentropy
            CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score FBetaScore FalseNegatives
            FalsePositives Hinge IoU KLDivergence LogCoshError Mean MeanAbsoluteError MeanAbsolutePercentageError
            MeanIoU MeanMetricWrapper MeanSquaredError MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU
            PearsonCorrelation Poisson Precision PrecisionAtRecall R2Score Recall RecallAtPrecision
            RootMeanSquaredError SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
            SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum TopKCategoricalAccuracy
            TrueNegatives TruePositives binary_accuracy binary_crossentropy binary_focal_crossentropy
            categorical_accuracy categorical_crossentropy categorical_focal_crossentropy categorical_hinge
            concordance_correlation hinge kl_divergence mean_absolute_error mean_absolute_percentage_error
            mean_squared_error mean_squared_logarithmic_error pearson_correlation poisson
            sparse_categorical_accuracy sparse_categorical_crossentropy sparse_top_k_categorical_accuracy
            squared_hinge top_k_categorical_accuracy
        """,
        "keras.ops": """
            abs absolute adaptive_average_pool adaptive_max_pool add all allclose amax amin angle any append arange
            arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argpartition argsort array
            array_split average average_pool bartlett batch_normalization binary_crossentropy bincount bitwise_and
            bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman
            broadcast_to cast categorical_crossentropy cbrt cdist ceil celu cholesky cholesky_inverse clip
            concatenate conj conjugate conv conv_transpose convert_to_numpy convert_to_tensor copy corrcoef
            correlate cos cosh count_nonzero cross ctc_decode ctc_loss cumprod cumsum deg2rad depth_to_space
            depthwise_conv det diag diagflat diagonal diff digitize divide divide_no_nan dot dot_product_attention
            dsplit dstack dtype eig eigh einsum elu empty empty_like equal erf erfc erfinv exp exp2 expand_dims
            expm1 extract_sequences eye fabs fft fft2 flip fliplr flipud floor floor_divide fmax fmin fmod fold
            full full_like gcd gelu geomspace get_item glu greater greater_equal hamming hanning hard_shrink
            hard_sigmoid hard_silu hard_tanh heaviside histogram hsplit hstack hypot i0 identity ifft2 imag
            in_top_k inner inv irfft is_tensor isclose isfinite isin isinf isnan isneginf isposinf isreal istft
            kaiser kron layer_normalization lcm ldexp leaky_relu left_shift less less_equal linspace log log10
            log1p log2 log_sigmoid log_softmax logaddexp logaddexp2 logdet logical_and logical_not logical_or
            logical_xor logspace logsumexp lstsq lu_factor matmul matrix_rank max max_pool maximum mean median
            meshgrid min minimum mod moments moveaxis multi_hot multiply nan_to_num nanargmax nanargmin nancumprod
            nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim
            negative nextafter nonzero norm normalize not_equal one_hot ones ones_like outer pad percentile pinv
            polar power prod psnr ptp qr quantile rad2deg ravel real rearrange reciprocal relu relu6 repeat reshape
            rfft right_shift rms_normalization roll rot90 round rsqrt saturate_cast scatter scatter_update
            searchsorted segment_max segment_min segment_prod segment_sum select selu separable_conv shape sigmoid
            sign signbit silu sin sinc sinh size slice slice_update slogdet soft_shrink softmax softplus softsign
            solve solve_triangular sort space_to_depth sparse_categorical_crossentropy sparse_plus sparse_sigmoid
            sparsemax split sqrt square squareplus squeeze stack std stft stop_gradient subtract sum svd swapaxes
            take take_along_axis tan tanh tanh_shrink tensordot threshold tile top_k trace transpose trapezoid tri
            tril triu true_divide trunc unfold unique unravel_index unstack vander var vdot view view_as_complex
            view_as_real vsplit vstack where zeros zeros_like
        """,
        "keras.ops.image": """
            affine_transform crop_images elastic_transform extract_patches extract_patches_3d gaussian_blur
            hsv_to_rgb map_coordinates pad_images perspective_transform resize rgb_to_grayscale rgb_to_hsv
            scale_and_translate sobel_edges ssim
        """,
        "keras.optimizers": """
            Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer MultiOptimizer Muon
            Nadam OptimizerMap RMSprop SGD ScheduleFreeAdamW
        """,
        "keras.optimizers.schedules": """
            CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay
            PolynomialDecay
        """,
        "keras.quantizers": """
            AWQConfig AbsMaxQuantizer Float8QuantizationConfig GPTQConfig Int4QuantizationConfig
            Int8QuantizationConfig
        """,
        "keras.random": """
            SeedGenerator
        """,
        "keras.regularizers": """
            L1 L1L2 L2 OrthogonalRegularizer
        """,
        "keras.src.activations.activations": """
            Mish ReLU
        """,
        "keras.src.applications.convnext": """
            LayerScale StochasticDepth
        """,
        "keras.src.applications.inception_resnet_v2": """
            CustomScaleLayer
        """,
        "keras.src.layers.rnn.conv_lstm": """
            ConvLSTMCell
        """,
        "keras.src.losses.losses": """
            LossFunctionWrapper
        """,
        "keras.src.quantizers.quantizers": """
            FakeQuantWithMinMaxVars
        """,
        "keras.src.ops.core": """
            AssociativeScan Cast Cond ConvertToTensor Map SaturateCast Scan Scatter ScatterUpdate Slice SliceUpdate
            StopGradient Switch Unstack VectorizedMap
        """,
        "keras.src.ops.einops": """
            Rearrange
        """,
        "keras.src.ops.image": """
            AffineTransform CropImages ElasticTransform ExtractPatches GaussianBlur HSVToRGB MapCoordinates
            PadImages PerspectiveTransform RGBToGrayscale RGBToHSV Resize SSIM ScaleAndTranslate SobelEdges
        """,
        "keras.src.ops.linalg": """
            Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor MatrixRank Norm Pinv Qr SVD Solve
            SolveTriangular
        """,
        "keras.src.ops.math": """
            CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT ISTFT InTopK Logdet Logsumexp RFFT Rsqrt
            STFT SegmentMax SegmentMin SegmentProd SegmentSum TopK ViewAsComplex ViewAsReal
        """,
        "keras.src.ops.nn": """
            AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm BinaryCrossentropy CTCDecode CTCLoss
            CategoricalCrossentropy Celu Conv ConvTranspose DepthToSpace DepthwiseConv DotProductAttention Elu Fold
            Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax MaxPool
            Moments MultiHot Normalize OneHot PSNR Polar RMSNorm Relu Relu6 Selu SeparableConv Sigmoid Silu
            SoftShrink Softmax Softplus Softsign SpaceToDepth SparseCategoricalCrossentropy SparsePlus
            SparseSigmoid Sparsemax Squareplus TanhShrink Threshold Unfold
        """,
        "keras.src.ops.numpy": """
            Abs Absolute Add All AllClose Amax Amin Angle Any Append Arange Arccos Arccosh Arcsin Arcsinh Arctan
            Arctan2 Arctanh Argmax Argmin Argpartition Argsort Array ArraySplit Average Bincount BitwiseAnd
            BitwiseInvert BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo Cbrt Ceil
            Clip Concatenate Conj Conjugate Copy Corrcoef Correlate Cos Cosh CountNonzero Cross Cumprod Cumsum
            Deg2rad Diag Diagflat Diagonal Diff Digitize Divide DivideNoNan Dot Dsplit Dstack Einsum EmptyLike
            Equal Exp Exp2 ExpandDims Expm1 Fabs Flip Fliplr Flipud Floor FloorDivide Fmax Fmin Fmod Full FullLike
            Gcd Geomspace GetItem Greater GreaterEqual Heaviside Histogram Hsplit Hstack Hypot I0 Imag Inner IsIn
            Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal Kron Lcm Ldexp LeftShift Less LessEqual Linspace
            Log Log10 Log1p Log2 Logaddexp Logaddexp2 LogicalAnd LogicalNot LogicalOr LogicalXor Logspace Matmul
            Max Maximum Mean Median Meshgrid Min Minimum Mod Moveaxis Multiply NanToNum Nanargmax Nanargmin
            Nancumprod Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile Nanstd Nansum
            Nanvar Ndim Negative Nextafter Nonzero NotEqual OnesLike Outer Pad Percentile Power Prod Ptp Quantile
            Rad2deg Ravel Real Reciprocal Repeat Reshape RightShift Roll Rot90 Round SearchSorted Select Sign
            Signbit Sin Sinc Sinh Size Slogdet Sort Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take
            TakeAlongAxis Tan Tanh Tensordot Tile Trace Transpose Trapezoid Tril Triu TrueDivide Trunc Unique
            UnravelIndex Vander Var Vdot View Vsplit Vstack Where ZerosLike
        """,
    }.items()
}
# Where Keras knows more names for the same, such as `glorot_uniform` and `mse`.
_FAMILIES = (
    keras.activations,
    keras.constraints,
    keras.dtype_policies,
    keras.initializers,
    keras.losses,
    keras.metrics,
    keras.optimizers,
    keras.quantizers,
    keras.regularizers,
)


def allowed(thing: Any) -> bool:
    """Whether something of Keras's is on the list, under whichever name it was found."""
    return id(thing) in _listed()


@cache
def by_name() -> dict[str, tuple[Any, ...]]:
    """What is on the list by its bare name, and by each of the short names that Keras has for it."""
    found: dict[str, dict[int, Any]] = {}
    for name, thing in (*_things(), *_short_names()):
        if allowed(thing):
            found.setdefault(name, {})[id(thing)] = thing
    return {name: tuple(things.values()) for name, things in found.items()}


@cache
def _listed() -> frozenset[int]:
    return frozenset(id(thing) for _, thing in _things())


def _things() -> Iterator[tuple[str, Any]]:
    """Each name with what Keras has under it; another version may lack some of them."""
    for space, names in NAMES.items():
        module = sys.modules.get(space)
        for name in names:
            thing = get_symbol_from_name(f"{space}.{name}") or getattr(module, name, None)
            if thing is not None:
                yield name, thing


def _short_names() -> Iterator[tuple[str, Any]]:
    for family in _FAMILIES:
        source = sys.modules.get(family.__name__.replace("keras.", "keras.src.", 1))
        yield from getattr(source, "ALL_OBJECTS_DICT", {}).items()
