//! Pictures as SVG without scripts or fonts of their own.

/// The beginning of a picture with its title; `</svg>` ends it.
pub fn open(width: usize, height: usize, title: &str) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="#222">
<title>{title}</title>
<rect width="{width}" height="{height}" fill="#fff"/>
<text x="12" y="20" font-size="14" font-weight="bold">{title}</text>
"##
    )
}
