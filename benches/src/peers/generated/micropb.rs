pub mod kinesis_agg_ {
    #[derive(Debug, Default, PartialEq, Clone)]
    pub struct AggregatedRecord {
        pub r#partition_key_table: ::alloc::vec::Vec<::alloc::string::String>,
        pub r#explicit_hash_key_table: ::alloc::vec::Vec<::alloc::string::String>,
        pub r#records: ::alloc::vec::Vec<Record>,
    }
    impl AggregatedRecord {}
    impl ::micropb::MessageDecode for AggregatedRecord {
        fn decode<IMPL_MICROPB_READ: ::micropb::PbRead>(
            &mut self,
            decoder: &mut ::micropb::PbDecoder<IMPL_MICROPB_READ>,
            len: usize,
        ) -> Result<(), ::micropb::DecodeError<IMPL_MICROPB_READ::Error>> {
            use ::micropb::{PbBytes, PbString, PbVec, PbMap, FieldDecode};
            let before = decoder.bytes_read();
            while decoder.bytes_read() - before < len {
                let tag = decoder.decode_tag()?;
                match tag.field_num() {
                    0 => return Err(::micropb::DecodeError::ZeroField),
                    1u32 => {
                        if tag.wire_type() != 2u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut val: ::alloc::string::String = ::core::default::Default::default();
                        let mut_ref = &mut val;
                        {
                            decoder
                                .decode_string(mut_ref, ::micropb::Presence::Explicit)?;
                        };
                        if let (Err(_), false) = (
                            self.r#partition_key_table.pb_push(val),
                            decoder.ignore_repeated_cap_err,
                        ) {
                            return Err(::micropb::DecodeError::Capacity);
                        }
                    }
                    2u32 => {
                        if tag.wire_type() != 2u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut val: ::alloc::string::String = ::core::default::Default::default();
                        let mut_ref = &mut val;
                        {
                            decoder
                                .decode_string(mut_ref, ::micropb::Presence::Explicit)?;
                        };
                        if let (Err(_), false) = (
                            self.r#explicit_hash_key_table.pb_push(val),
                            decoder.ignore_repeated_cap_err,
                        ) {
                            return Err(::micropb::DecodeError::Capacity);
                        }
                    }
                    3u32 => {
                        if tag.wire_type() != 2u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut val: Record = ::core::default::Default::default();
                        let mut_ref = &mut val;
                        {
                            decoder.decode_submessage_delimited(mut_ref)?;
                        };
                        if let (Err(_), false) = (
                            self.r#records.pb_push(val),
                            decoder.ignore_repeated_cap_err,
                        ) {
                            return Err(::micropb::DecodeError::Capacity);
                        }
                    }
                    _ => {
                        decoder.skip_wire_value(tag.wire_type())?;
                    }
                }
            }
            Ok(())
        }
    }
    impl ::micropb::MessageEncode for AggregatedRecord {
        const MAX_SIZE: ::core::result::Result<usize, &'static str> = 'msg: {
            let mut max_size = 0;
            match ::core::result::Result::<
                usize,
                &'static str,
            >::Err("(.kinesis_agg.AggregatedRecord.partition_key_table) unbounded vec") {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            match ::core::result::Result::<
                usize,
                &'static str,
            >::Err(
                "(.kinesis_agg.AggregatedRecord.explicit_hash_key_table) unbounded vec",
            ) {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            match ::core::result::Result::<
                usize,
                &'static str,
            >::Err("(.kinesis_agg.AggregatedRecord.records) unbounded vec") {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            ::core::result::Result::Ok(max_size)
        };
        fn encode<IMPL_MICROPB_WRITE: ::micropb::PbWrite>(
            &self,
            encoder: &mut ::micropb::PbEncoder<IMPL_MICROPB_WRITE>,
        ) -> Result<(), IMPL_MICROPB_WRITE::Error> {
            use ::micropb::{PbMap, FieldEncode};
            {
                for (i, val_ref) in self.r#partition_key_table.iter().enumerate() {
                    encoder.encode_varint32(10u32)?;
                    encoder.encode_string(val_ref)?;
                }
            }
            {
                for (i, val_ref) in self.r#explicit_hash_key_table.iter().enumerate() {
                    encoder.encode_varint32(18u32)?;
                    encoder.encode_string(val_ref)?;
                }
            }
            {
                for (i, val_ref) in self.r#records.iter().enumerate() {
                    encoder.encode_varint32(26u32)?;
                    val_ref.encode_len_delimited(encoder)?;
                }
            }
            Ok(())
        }
        fn compute_size(&self) -> usize {
            use ::micropb::{PbMap, FieldEncode};
            let mut size = 0;
            {
                for (i, val_ref) in self.r#partition_key_table.iter().enumerate() {
                    size += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
                }
            }
            {
                for (i, val_ref) in self.r#explicit_hash_key_table.iter().enumerate() {
                    size += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
                }
            }
            {
                for (i, val_ref) in self.r#records.iter().enumerate() {
                    size
                        += 1usize
                            + ::micropb::size::sizeof_len_record(val_ref.compute_size());
                }
            }
            size
        }
    }
    #[derive(Debug, Default, Clone)]
    pub struct Record {
        /// *Note:* The presence of this field is tracked separately in the `_has` field. It's recommended to access this field via the accessor rather than directly.
        pub r#partition_key_index: u64,
        /// *Note:* The presence of this field is tracked separately in the `_has` field. It's recommended to access this field via the accessor rather than directly.
        pub r#explicit_hash_key_index: u64,
        /// *Note:* The presence of this field is tracked separately in the `_has` field. It's recommended to access this field via the accessor rather than directly.
        pub r#data: ::alloc::vec::Vec<u8>,
        pub r#tags: ::alloc::vec::Vec<Tag>,
        /// Tracks presence of optional and message fields
        pub _has: Record_::_Hazzer,
    }
    impl ::core::cmp::PartialEq for Record {
        fn eq(&self, other: &Self) -> bool {
            let mut ret = true;
            ret &= (self.r#partition_key_index() == other.r#partition_key_index());
            ret
                &= (self.r#explicit_hash_key_index()
                    == other.r#explicit_hash_key_index());
            ret &= (self.r#data() == other.r#data());
            ret &= (self.r#tags == other.r#tags);
            ret
        }
    }
    impl Record {
        /// Return a reference to `partition_key_index` as an `Option`
        #[inline]
        pub fn r#partition_key_index(&self) -> ::core::option::Option<&u64> {
            self._has.r#partition_key_index().then_some(&self.r#partition_key_index)
        }
        /// Set the value and presence of `partition_key_index`
        #[inline]
        pub fn set_partition_key_index(&mut self, value: u64) -> &mut Self {
            self._has.set_partition_key_index();
            self.r#partition_key_index = value.into();
            self
        }
        /// Return a mutable reference to `partition_key_index` as an `Option`
        #[inline]
        pub fn mut_partition_key_index(&mut self) -> ::core::option::Option<&mut u64> {
            self._has.r#partition_key_index().then_some(&mut self.r#partition_key_index)
        }
        /// Clear the presence of `partition_key_index`
        #[inline]
        pub fn clear_partition_key_index(&mut self) -> &mut Self {
            self._has.clear_partition_key_index();
            self
        }
        /// Take the value of `partition_key_index` and clear its presence
        #[inline]
        pub fn take_partition_key_index(&mut self) -> ::core::option::Option<u64> {
            let val = self
                ._has
                .r#partition_key_index()
                .then(|| ::core::mem::take(&mut self.r#partition_key_index));
            self._has.clear_partition_key_index();
            val
        }
        /// Builder method that sets the value of `partition_key_index`. Useful for initializing the message.
        #[inline]
        pub fn init_partition_key_index(mut self, value: u64) -> Self {
            self.set_partition_key_index(value);
            self
        }
        /// Return a reference to `explicit_hash_key_index` as an `Option`
        #[inline]
        pub fn r#explicit_hash_key_index(&self) -> ::core::option::Option<&u64> {
            self._has
                .r#explicit_hash_key_index()
                .then_some(&self.r#explicit_hash_key_index)
        }
        /// Set the value and presence of `explicit_hash_key_index`
        #[inline]
        pub fn set_explicit_hash_key_index(&mut self, value: u64) -> &mut Self {
            self._has.set_explicit_hash_key_index();
            self.r#explicit_hash_key_index = value.into();
            self
        }
        /// Return a mutable reference to `explicit_hash_key_index` as an `Option`
        #[inline]
        pub fn mut_explicit_hash_key_index(
            &mut self,
        ) -> ::core::option::Option<&mut u64> {
            self._has
                .r#explicit_hash_key_index()
                .then_some(&mut self.r#explicit_hash_key_index)
        }
        /// Clear the presence of `explicit_hash_key_index`
        #[inline]
        pub fn clear_explicit_hash_key_index(&mut self) -> &mut Self {
            self._has.clear_explicit_hash_key_index();
            self
        }
        /// Take the value of `explicit_hash_key_index` and clear its presence
        #[inline]
        pub fn take_explicit_hash_key_index(&mut self) -> ::core::option::Option<u64> {
            let val = self
                ._has
                .r#explicit_hash_key_index()
                .then(|| ::core::mem::take(&mut self.r#explicit_hash_key_index));
            self._has.clear_explicit_hash_key_index();
            val
        }
        /// Builder method that sets the value of `explicit_hash_key_index`. Useful for initializing the message.
        #[inline]
        pub fn init_explicit_hash_key_index(mut self, value: u64) -> Self {
            self.set_explicit_hash_key_index(value);
            self
        }
        /// Return a reference to `data` as an `Option`
        #[inline]
        pub fn r#data(&self) -> ::core::option::Option<&::alloc::vec::Vec<u8>> {
            self._has.r#data().then_some(&self.r#data)
        }
        /// Set the value and presence of `data`
        #[inline]
        pub fn set_data(&mut self, value: ::alloc::vec::Vec<u8>) -> &mut Self {
            self._has.set_data();
            self.r#data = value.into();
            self
        }
        /// Return a mutable reference to `data` as an `Option`
        #[inline]
        pub fn mut_data(
            &mut self,
        ) -> ::core::option::Option<&mut ::alloc::vec::Vec<u8>> {
            self._has.r#data().then_some(&mut self.r#data)
        }
        /// Clear the presence of `data`
        #[inline]
        pub fn clear_data(&mut self) -> &mut Self {
            self._has.clear_data();
            self
        }
        /// Take the value of `data` and clear its presence
        #[inline]
        pub fn take_data(&mut self) -> ::core::option::Option<::alloc::vec::Vec<u8>> {
            let val = self._has.r#data().then(|| ::core::mem::take(&mut self.r#data));
            self._has.clear_data();
            val
        }
        /// Builder method that sets the value of `data`. Useful for initializing the message.
        #[inline]
        pub fn init_data(mut self, value: ::alloc::vec::Vec<u8>) -> Self {
            self.set_data(value);
            self
        }
    }
    impl ::micropb::MessageDecode for Record {
        fn decode<IMPL_MICROPB_READ: ::micropb::PbRead>(
            &mut self,
            decoder: &mut ::micropb::PbDecoder<IMPL_MICROPB_READ>,
            len: usize,
        ) -> Result<(), ::micropb::DecodeError<IMPL_MICROPB_READ::Error>> {
            use ::micropb::{PbBytes, PbString, PbVec, PbMap, FieldDecode};
            let before = decoder.bytes_read();
            while decoder.bytes_read() - before < len {
                let tag = decoder.decode_tag()?;
                match tag.field_num() {
                    0 => return Err(::micropb::DecodeError::ZeroField),
                    1u32 => {
                        if tag.wire_type() != 0u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut_ref = &mut self.r#partition_key_index;
                        {
                            let val = decoder.decode_varint64()?;
                            *mut_ref = val as _;
                        };
                        self._has.set_partition_key_index();
                    }
                    2u32 => {
                        if tag.wire_type() != 0u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut_ref = &mut self.r#explicit_hash_key_index;
                        {
                            let val = decoder.decode_varint64()?;
                            *mut_ref = val as _;
                        };
                        self._has.set_explicit_hash_key_index();
                    }
                    3u32 => {
                        if tag.wire_type() != 2u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut_ref = &mut self.r#data;
                        {
                            decoder
                                .decode_bytes(mut_ref, ::micropb::Presence::Explicit)?;
                        };
                        self._has.set_data();
                    }
                    4u32 => {
                        if tag.wire_type() != 2u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut val: Tag = ::core::default::Default::default();
                        let mut_ref = &mut val;
                        {
                            decoder.decode_submessage_delimited(mut_ref)?;
                        };
                        if let (Err(_), false) = (
                            self.r#tags.pb_push(val),
                            decoder.ignore_repeated_cap_err,
                        ) {
                            return Err(::micropb::DecodeError::Capacity);
                        }
                    }
                    _ => {
                        decoder.skip_wire_value(tag.wire_type())?;
                    }
                }
            }
            Ok(())
        }
    }
    impl ::micropb::MessageEncode for Record {
        const MAX_SIZE: ::core::result::Result<usize, &'static str> = 'msg: {
            let mut max_size = 0;
            match ::micropb::const_map!(
                ::core::result::Result::Ok(10usize), | size | size + 1usize
            ) {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            match ::micropb::const_map!(
                ::core::result::Result::Ok(10usize), | size | size + 1usize
            ) {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            match ::micropb::const_map!(
                ::core::result::Result:: < usize, & 'static str >
                ::Err("(.kinesis_agg.Record.data) unbounded string or bytes"), | size |
                size + 1usize
            ) {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            match ::core::result::Result::<
                usize,
                &'static str,
            >::Err("(.kinesis_agg.Record.tags) unbounded vec") {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            ::core::result::Result::Ok(max_size)
        };
        fn encode<IMPL_MICROPB_WRITE: ::micropb::PbWrite>(
            &self,
            encoder: &mut ::micropb::PbEncoder<IMPL_MICROPB_WRITE>,
        ) -> Result<(), IMPL_MICROPB_WRITE::Error> {
            use ::micropb::{PbMap, FieldEncode};
            {
                if let ::core::option::Option::Some(val_ref) = self
                    .r#partition_key_index()
                {
                    encoder.encode_varint32(8u32)?;
                    encoder.encode_varint64(*val_ref as _)?;
                }
            }
            {
                if let ::core::option::Option::Some(val_ref) = self
                    .r#explicit_hash_key_index()
                {
                    encoder.encode_varint32(16u32)?;
                    encoder.encode_varint64(*val_ref as _)?;
                }
            }
            {
                if let ::core::option::Option::Some(val_ref) = self.r#data() {
                    encoder.encode_varint32(26u32)?;
                    encoder.encode_bytes(val_ref)?;
                }
            }
            {
                for (i, val_ref) in self.r#tags.iter().enumerate() {
                    encoder.encode_varint32(34u32)?;
                    val_ref.encode_len_delimited(encoder)?;
                }
            }
            Ok(())
        }
        fn compute_size(&self) -> usize {
            use ::micropb::{PbMap, FieldEncode};
            let mut size = 0;
            {
                if let ::core::option::Option::Some(val_ref) = self
                    .r#partition_key_index()
                {
                    size += 1usize + ::micropb::size::sizeof_varint64(*val_ref as _);
                }
            }
            {
                if let ::core::option::Option::Some(val_ref) = self
                    .r#explicit_hash_key_index()
                {
                    size += 1usize + ::micropb::size::sizeof_varint64(*val_ref as _);
                }
            }
            {
                if let ::core::option::Option::Some(val_ref) = self.r#data() {
                    size += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
                }
            }
            {
                for (i, val_ref) in self.r#tags.iter().enumerate() {
                    size
                        += 1usize
                            + ::micropb::size::sizeof_len_record(val_ref.compute_size());
                }
            }
            size
        }
    }
    /// Inner types for `Record`
    pub mod Record_ {
        /// Compact bitfield for tracking presence of optional and message fields
        #[derive(Debug, Default, PartialEq, Clone, Copy)]
        pub struct _Hazzer([u8; 1]);
        impl _Hazzer {
            /// New hazzer with all fields set to off
            #[inline]
            pub const fn _new() -> Self {
                Self([0; 1])
            }
            /// Query presence of `partition_key_index`
            #[inline]
            pub const fn r#partition_key_index(&self) -> bool {
                (self.0[0] & 1) != 0
            }
            /// Set presence of `partition_key_index`
            #[inline]
            pub const fn set_partition_key_index(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem |= 1;
                self
            }
            /// Clear presence of `partition_key_index`
            #[inline]
            pub const fn clear_partition_key_index(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem &= !1;
                self
            }
            /// Builder method that sets the presence of `partition_key_index`. Useful for initializing the Hazzer.
            #[inline]
            pub const fn init_partition_key_index(mut self) -> Self {
                self.set_partition_key_index();
                self
            }
            /// Query presence of `explicit_hash_key_index`
            #[inline]
            pub const fn r#explicit_hash_key_index(&self) -> bool {
                (self.0[0] & 2) != 0
            }
            /// Set presence of `explicit_hash_key_index`
            #[inline]
            pub const fn set_explicit_hash_key_index(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem |= 2;
                self
            }
            /// Clear presence of `explicit_hash_key_index`
            #[inline]
            pub const fn clear_explicit_hash_key_index(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem &= !2;
                self
            }
            /// Builder method that sets the presence of `explicit_hash_key_index`. Useful for initializing the Hazzer.
            #[inline]
            pub const fn init_explicit_hash_key_index(mut self) -> Self {
                self.set_explicit_hash_key_index();
                self
            }
            /// Query presence of `data`
            #[inline]
            pub const fn r#data(&self) -> bool {
                (self.0[0] & 4) != 0
            }
            /// Set presence of `data`
            #[inline]
            pub const fn set_data(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem |= 4;
                self
            }
            /// Clear presence of `data`
            #[inline]
            pub const fn clear_data(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem &= !4;
                self
            }
            /// Builder method that sets the presence of `data`. Useful for initializing the Hazzer.
            #[inline]
            pub const fn init_data(mut self) -> Self {
                self.set_data();
                self
            }
        }
    }
    #[derive(Debug, Default, Clone)]
    pub struct Tag {
        /// *Note:* The presence of this field is tracked separately in the `_has` field. It's recommended to access this field via the accessor rather than directly.
        pub r#key: ::alloc::string::String,
        /// *Note:* The presence of this field is tracked separately in the `_has` field. It's recommended to access this field via the accessor rather than directly.
        pub r#value: ::alloc::string::String,
        /// Tracks presence of optional and message fields
        pub _has: Tag_::_Hazzer,
    }
    impl ::core::cmp::PartialEq for Tag {
        fn eq(&self, other: &Self) -> bool {
            let mut ret = true;
            ret &= (self.r#key() == other.r#key());
            ret &= (self.r#value() == other.r#value());
            ret
        }
    }
    impl Tag {
        /// Return a reference to `key` as an `Option`
        #[inline]
        pub fn r#key(&self) -> ::core::option::Option<&::alloc::string::String> {
            self._has.r#key().then_some(&self.r#key)
        }
        /// Set the value and presence of `key`
        #[inline]
        pub fn set_key(&mut self, value: ::alloc::string::String) -> &mut Self {
            self._has.set_key();
            self.r#key = value.into();
            self
        }
        /// Return a mutable reference to `key` as an `Option`
        #[inline]
        pub fn mut_key(
            &mut self,
        ) -> ::core::option::Option<&mut ::alloc::string::String> {
            self._has.r#key().then_some(&mut self.r#key)
        }
        /// Clear the presence of `key`
        #[inline]
        pub fn clear_key(&mut self) -> &mut Self {
            self._has.clear_key();
            self
        }
        /// Take the value of `key` and clear its presence
        #[inline]
        pub fn take_key(&mut self) -> ::core::option::Option<::alloc::string::String> {
            let val = self._has.r#key().then(|| ::core::mem::take(&mut self.r#key));
            self._has.clear_key();
            val
        }
        /// Builder method that sets the value of `key`. Useful for initializing the message.
        #[inline]
        pub fn init_key(mut self, value: ::alloc::string::String) -> Self {
            self.set_key(value);
            self
        }
        /// Return a reference to `value` as an `Option`
        #[inline]
        pub fn r#value(&self) -> ::core::option::Option<&::alloc::string::String> {
            self._has.r#value().then_some(&self.r#value)
        }
        /// Set the value and presence of `value`
        #[inline]
        pub fn set_value(&mut self, value: ::alloc::string::String) -> &mut Self {
            self._has.set_value();
            self.r#value = value.into();
            self
        }
        /// Return a mutable reference to `value` as an `Option`
        #[inline]
        pub fn mut_value(
            &mut self,
        ) -> ::core::option::Option<&mut ::alloc::string::String> {
            self._has.r#value().then_some(&mut self.r#value)
        }
        /// Clear the presence of `value`
        #[inline]
        pub fn clear_value(&mut self) -> &mut Self {
            self._has.clear_value();
            self
        }
        /// Take the value of `value` and clear its presence
        #[inline]
        pub fn take_value(&mut self) -> ::core::option::Option<::alloc::string::String> {
            let val = self._has.r#value().then(|| ::core::mem::take(&mut self.r#value));
            self._has.clear_value();
            val
        }
        /// Builder method that sets the value of `value`. Useful for initializing the message.
        #[inline]
        pub fn init_value(mut self, value: ::alloc::string::String) -> Self {
            self.set_value(value);
            self
        }
    }
    impl ::micropb::MessageDecode for Tag {
        fn decode<IMPL_MICROPB_READ: ::micropb::PbRead>(
            &mut self,
            decoder: &mut ::micropb::PbDecoder<IMPL_MICROPB_READ>,
            len: usize,
        ) -> Result<(), ::micropb::DecodeError<IMPL_MICROPB_READ::Error>> {
            use ::micropb::{PbBytes, PbString, PbVec, PbMap, FieldDecode};
            let before = decoder.bytes_read();
            while decoder.bytes_read() - before < len {
                let tag = decoder.decode_tag()?;
                match tag.field_num() {
                    0 => return Err(::micropb::DecodeError::ZeroField),
                    1u32 => {
                        if tag.wire_type() != 2u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut_ref = &mut self.r#key;
                        {
                            decoder
                                .decode_string(mut_ref, ::micropb::Presence::Explicit)?;
                        };
                        self._has.set_key();
                    }
                    2u32 => {
                        if tag.wire_type() != 2u8 {
                            return Err(::micropb::DecodeError::WrongWireType);
                        }
                        let mut_ref = &mut self.r#value;
                        {
                            decoder
                                .decode_string(mut_ref, ::micropb::Presence::Explicit)?;
                        };
                        self._has.set_value();
                    }
                    _ => {
                        decoder.skip_wire_value(tag.wire_type())?;
                    }
                }
            }
            Ok(())
        }
    }
    impl ::micropb::MessageEncode for Tag {
        const MAX_SIZE: ::core::result::Result<usize, &'static str> = 'msg: {
            let mut max_size = 0;
            match ::micropb::const_map!(
                ::core::result::Result:: < usize, & 'static str >
                ::Err("(.kinesis_agg.Tag.key) unbounded string or bytes"), | size | size
                + 1usize
            ) {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            match ::micropb::const_map!(
                ::core::result::Result:: < usize, & 'static str >
                ::Err("(.kinesis_agg.Tag.value) unbounded string or bytes"), | size |
                size + 1usize
            ) {
                ::core::result::Result::Ok(size) => {
                    max_size += size;
                }
                ::core::result::Result::Err(err) => {
                    break 'msg (::core::result::Result::<usize, _>::Err(err));
                }
            }
            ::core::result::Result::Ok(max_size)
        };
        fn encode<IMPL_MICROPB_WRITE: ::micropb::PbWrite>(
            &self,
            encoder: &mut ::micropb::PbEncoder<IMPL_MICROPB_WRITE>,
        ) -> Result<(), IMPL_MICROPB_WRITE::Error> {
            use ::micropb::{PbMap, FieldEncode};
            {
                if let ::core::option::Option::Some(val_ref) = self.r#key() {
                    encoder.encode_varint32(10u32)?;
                    encoder.encode_string(val_ref)?;
                }
            }
            {
                if let ::core::option::Option::Some(val_ref) = self.r#value() {
                    encoder.encode_varint32(18u32)?;
                    encoder.encode_string(val_ref)?;
                }
            }
            Ok(())
        }
        fn compute_size(&self) -> usize {
            use ::micropb::{PbMap, FieldEncode};
            let mut size = 0;
            {
                if let ::core::option::Option::Some(val_ref) = self.r#key() {
                    size += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
                }
            }
            {
                if let ::core::option::Option::Some(val_ref) = self.r#value() {
                    size += 1usize + ::micropb::size::sizeof_len_record(val_ref.len());
                }
            }
            size
        }
    }
    /// Inner types for `Tag`
    pub mod Tag_ {
        /// Compact bitfield for tracking presence of optional and message fields
        #[derive(Debug, Default, PartialEq, Clone, Copy)]
        pub struct _Hazzer([u8; 1]);
        impl _Hazzer {
            /// New hazzer with all fields set to off
            #[inline]
            pub const fn _new() -> Self {
                Self([0; 1])
            }
            /// Query presence of `key`
            #[inline]
            pub const fn r#key(&self) -> bool {
                (self.0[0] & 1) != 0
            }
            /// Set presence of `key`
            #[inline]
            pub const fn set_key(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem |= 1;
                self
            }
            /// Clear presence of `key`
            #[inline]
            pub const fn clear_key(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem &= !1;
                self
            }
            /// Builder method that sets the presence of `key`. Useful for initializing the Hazzer.
            #[inline]
            pub const fn init_key(mut self) -> Self {
                self.set_key();
                self
            }
            /// Query presence of `value`
            #[inline]
            pub const fn r#value(&self) -> bool {
                (self.0[0] & 2) != 0
            }
            /// Set presence of `value`
            #[inline]
            pub const fn set_value(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem |= 2;
                self
            }
            /// Clear presence of `value`
            #[inline]
            pub const fn clear_value(&mut self) -> &mut Self {
                let elem = &mut self.0[0];
                *elem &= !2;
                self
            }
            /// Builder method that sets the presence of `value`. Useful for initializing the Hazzer.
            #[inline]
            pub const fn init_value(mut self) -> Self {
                self.set_value();
                self
            }
        }
    }
}
