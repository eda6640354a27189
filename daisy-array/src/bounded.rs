//! What is decompressed: never more than the bytes that a chunk holds, which are known beforehand. A small file
//! that unpacks to gigabytes is refused before it has filled the memory.
//!
//! What is registered here is asked for by the library, but for the Blosc of Zarr v2: so its voxels are read by the same
//! array in the words of v3.

use std::borrow::Cow;
use std::io::Read;
use std::sync::{Arc, Once};

#[cfg(feature = "blosc")]
use zarrs::array::ArrayMetadata;
#[cfg(any(feature = "blosc", feature = "n5"))]
use zarrs::array::codec::BloscCodec;
use zarrs::array::codec::api::{
    CodecRuntimePluginV2, CodecRuntimePluginV3, PartialDecoderCapability, PartialEncoderCapability,
    register_codec_v2, register_codec_v3,
};
use zarrs::array::codec::{GzipCodec, ZstdCodec};
use zarrs::array::{
    ArrayBytesRaw, BytesRepresentation, BytesToBytesCodecTraits, Codec, CodecError,
    CodecMetadataOptions, CodecOptions, CodecTraits, CodecTraitsV2, CodecTraitsV3,
    RecommendedConcurrency,
};
use zarrs::metadata::Configuration;
use zarrs::plugin::{
    ExtensionAliases, ExtensionName, PluginCreateError, ZarrVersion, ZarrVersion2, ZarrVersion3,
};

use crate::{Source, store::Store};

/// How bytes are compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Gzip,
    Zstd,
    #[cfg(any(feature = "blosc", feature = "n5"))]
    Blosc,
    #[cfg(feature = "n5")]
    Bzip2,
}

/// From now on, arrays are opened with codecs that keep to the bound.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        register_one::<GzipCodec>(Kind::Gzip);
        register_one::<ZstdCodec>(Kind::Zstd);
        #[cfg(any(feature = "blosc", feature = "n5"))]
        register_one::<BloscCodec>(Kind::Blosc);
        #[cfg(feature = "n5")]
        register_one::<zarrs::array::codec::Bz2Codec>(Kind::Bzip2);
    });
}

/// An array as its voxels are read and written, where that is not the array itself. Blosc in Zarr v2 is made by the library
/// itself, and keeps to no bound: such an array is, for its chunks, one of v3 with the same keys, shapes and codecs.
#[cfg_attr(not(feature = "blosc"), allow(unused_variables, reason = "every codec is bounded"))]
pub(crate) fn for_voxels(
    array: &zarrs::array::Array<Store>,
) -> Result<Option<zarrs::array::Array<Store>>, Source> {
    #[cfg(feature = "blosc")]
    if let ArrayMetadata::V2(v2) = array.metadata()
        && let Some(compressor) = &v2.compressor
        && <BloscCodec as ExtensionAliases<ZarrVersion2>>::matches_name(compressor.id())
    {
        let v3 = zarrs::convert::array_metadata_v2_to_v3(v2)?;
        return Ok(Some(zarrs::array::Array::new_with_metadata(array.storage(), "/", v3.into())?));
    }
    Ok(None)
}

/// What is registered goes before what the library has, in both versions of the format.
fn register_one<T>(kind: Kind)
where
    T: ExtensionAliases<ZarrVersion2>
        + ExtensionAliases<ZarrVersion3>
        + CodecTraitsV2
        + CodecTraitsV3
        + 'static,
{
    let of_v2 = move |metadata: &_| bounded(kind, <T as CodecTraitsV2>::create(metadata));
    let of_v3 = move |metadata: &_| bounded(kind, <T as CodecTraitsV3>::create(metadata));
    let is_v2 = <T as ExtensionAliases<ZarrVersion2>>::matches_name;
    let is_v3 = <T as ExtensionAliases<ZarrVersion3>>::matches_name;
    // They stay registered.
    let _ = register_codec_v2(CodecRuntimePluginV2::new(is_v2, of_v2));
    let _ = register_codec_v3(CodecRuntimePluginV3::new(is_v3, of_v3));
}

fn bounded(
    kind: Kind,
    codec: Result<Codec, PluginCreateError>,
) -> Result<Codec, PluginCreateError> {
    Ok(match codec? {
        Codec::BytesToBytes(codec) => Codec::BytesToBytes(Arc::new(Bounded { kind, codec })),
        other => other,
    })
}

/// Decompresses to at most so many bytes.
#[cfg_attr(
    not(any(feature = "blosc", feature = "n5")),
    allow(unused_variables, reason = "only Blosc is left to the codec of the library")
)]
pub(crate) fn decode<'a>(
    kind: Kind,
    codec: &dyn BytesToBytesCodecTraits,
    encoded: ArrayBytesRaw<'a>,
    limit: u64,
) -> Result<ArrayBytesRaw<'a>, CodecError> {
    let too_long =
        || CodecError::Other(format!("it unpacks to more than the {limit} bytes of a chunk"));
    let read = |reader: &mut dyn Read| {
        let mut decoded = Vec::new();
        reader.take(limit.saturating_add(1)).read_to_end(&mut decoded)?;
        if decoded.len() as u64 > limit { Err(too_long()) } else { Ok(Cow::Owned(decoded)) }
    };
    match kind {
        Kind::Gzip => read(&mut flate2::bufread::GzDecoder::new(&*encoded)),
        #[cfg(feature = "n5")]
        Kind::Bzip2 => read(&mut bzip2::bufread::BzDecoder::new(&*encoded)),
        Kind::Zstd => {
            let claimed = zstd::bulk::Decompressor::upper_bound(&encoded).map(|size| size as u64);
            let most = claimed.unwrap_or(limit).min(limit);
            let mut decoded = Vec::new();
            let most = usize::try_from(most).map_err(|_| too_long())?;
            decoded
                .try_reserve_exact(most)
                .map_err(|error| CodecError::Other(error.to_string()))?;
            zstd::bulk::Decompressor::new()?
                .decompress_to_buffer(&encoded, &mut decoded)
                .map_err(|error| CodecError::Other(format!("{error} (of {most} bytes)")))?;
            Ok(Cow::Owned(decoded))
        }
        #[cfg(any(feature = "blosc", feature = "n5"))]
        Kind::Blosc => {
            // The header: version, version of the compressor, flags, bytes per element; then the size as a u32.
            let size = encoded.get(4..8).and_then(|size| size.try_into().ok());
            if size.is_some_and(|size| u64::from(u32::from_le_bytes(size)) > limit) {
                return Err(too_long());
            }
            let size = BytesRepresentation::BoundedSize(limit);
            codec.decode(encoded, &size, &CodecOptions::default())
        }
    }
}

/// A codec of the library, bounded.
#[derive(Debug)]
struct Bounded {
    kind: Kind,
    codec: Arc<dyn BytesToBytesCodecTraits>,
}

impl ExtensionName for Bounded {
    fn name(&self, version: ZarrVersion) -> Option<Cow<'static, str>> {
        self.codec.name(version)
    }
}

impl CodecTraits for Bounded {
    fn as_any(&self) -> &dyn std::any::Any {
        self.codec.as_any()
    }

    fn configuration(
        &self,
        version: ZarrVersion,
        options: &CodecMetadataOptions,
    ) -> Option<Configuration> {
        self.codec.configuration(version, options)
    }

    fn partial_decoder_capability(&self) -> PartialDecoderCapability {
        self.codec.partial_decoder_capability()
    }

    fn partial_encoder_capability(&self) -> PartialEncoderCapability {
        self.codec.partial_encoder_capability()
    }
}

impl BytesToBytesCodecTraits for Bounded {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn BytesToBytesCodecTraits> {
        self
    }

    fn recommended_concurrency(
        &self,
        decoded: &BytesRepresentation,
    ) -> Result<RecommendedConcurrency, CodecError> {
        self.codec.recommended_concurrency(decoded)
    }

    fn encoded_representation(&self, decoded: &BytesRepresentation) -> BytesRepresentation {
        self.codec.encoded_representation(decoded)
    }

    fn encode<'a>(
        &self,
        decoded: ArrayBytesRaw<'a>,
        options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        self.codec.encode(decoded, options)
    }

    fn decode<'a>(
        &self,
        encoded: ArrayBytesRaw<'a>,
        decoded: &BytesRepresentation,
        options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        match decoded.size() {
            Some(limit) => decode(self.kind, &*self.codec, encoded, limit),
            None => self.codec.decode(encoded, decoded, options),
        }
    }
}
